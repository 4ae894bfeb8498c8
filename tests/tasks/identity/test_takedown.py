"""A takedown of a person: every file of it goes, and its name from every file of the workspace and its releases."""

from pathlib import Path

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import load_policy
from heterodub.tasks.identity import correct
from heterodub.tasks.identity.corrections import read_corrections
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import find_scope, plan_takedown
from heterodub.tasks.releases import publishing, releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import set_policy
from tests.tasks.identity.drawn import people
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import fill, new_workspace

WHY = ("seen", "Ann")


def test_a_person_s_files_and_names_go_with_it_from_releases_as_well(tmp_path: Path):
    ws = new_workspace(tmp_path)
    set_policy(ws, load_policy())
    fill(ws, range(5))
    settings = Settings(workspace=ws.root)
    publishing.assign(ws, settings.splits)
    one, other = people(ws)[0, 0], people(ws)[1, 0]
    correct.merge(ws, one, other, *WHY)
    correct.name_person(ws, other, "Secret Name", *WHY)
    correct.name_person(ws, people(ws)[2, 0], "Other Name", *WHY)
    origin = releases.ReleaseProvenance(*[sample.BACKEND, sample.EXTRACTOR, load_policy().hash, settings.hash, "code"])
    before = releases.publish(ws, releases.current_versions(ws), origin, {"passed": True}).release

    assert [row["uri"] for row in find_scope(ws, "speaker", "speaker 0").same_people] == ["/footage/1.mp4"]
    scope = find_scope(ws, "speaker", "Secret Name")
    assert find_scope(ws, "speaker", one).media == find_scope(ws, "speaker", other).media == scope.media
    assert {row["uri"] for row in scope.files} == {"/footage/0.mp4", "/footage/1.mp4"}
    take_down(ws, settings, None, plan_takedown(ws, None, scope), "consent withdrawn")

    assert {media for media, _ in people(ws)} == {2, 3, 4}
    assert set(read_corrections(ws).names.values()) == {"Other Name"}
    files = releases.table_files(ws, releases.find(ws, before.release_id), "person_corrections")
    assert tables.read(ws, "person_corrections", version=files)["value"].to_pylist() == ["Other Name"]
    stored = b"".join(path.read_bytes() for path in Path(ws.root, "person_corrections").rglob("*.parquet"))
    assert set(tables.read(ws, "embeddings")["media_id"].to_pylist()) <= {sample.media_id(media) for media in (2, 3, 4)}
    assert b"Secret Name" not in stored and b"Other Name" in stored

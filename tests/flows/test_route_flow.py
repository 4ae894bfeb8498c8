"""Another policy over what is measured: looking reads no media, applying decodes what is new, and it stands then."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import SettingsError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.ingestion import reroute
from heterodub.tasks.ingestion.reroute import describe
from heterodub.tasks.releases import releases
from heterodub.tasks.steps.ingest import publish_release
from heterodub.tasks.steps.route import apply_route, plan_route
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import active_policy, chosen_policy
from heterodub.tasks.stores.labels import NewLabel, read_labels, store_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import contents, versions, write_head
from tests.flows.plain_ingest import checked, require_sound, run

ONLY_STAGE1 = 'name = "only stage 1"\nversion = 3\n[stage1]\n[stage2]\nmin_face_height_px = 5000\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory, config, policies, cluster) -> Path:
    """Three films, ingested by the policy that admits nothing to stage 1."""
    folder = tmp_path_factory.mktemp("route")
    (folder / "films").mkdir()
    for number, name in enumerate("abc"):
        write_head(folder / "films" / f"{name}.mp4", 400 + number, 30)
    run(folder / "films", _settings(folder, config, cluster, policies["picky"]))
    return folder


@pytest.fixture
def place(made, tmp_path) -> Path:
    """The films and their workspace, put back as they were afterwards."""
    keep = shutil.copytree(made, tmp_path / "keep")
    yield made
    shutil.rmtree(made)
    shutil.copytree(keep, made)


@pytest.fixture
def settings(place, config, cluster, policies) -> Settings:
    return _settings(place, config, cluster, policies["picky"])


def _settings(place: Path, config: Path, cluster: str, policy: Path | None) -> Settings:
    settings = load_settings(config, workspace=str(place / "workspace"), run={"dask": cluster})
    return settings.model_copy(update={"policy": policy})


def apply(settings: Settings, policy: Path | None):
    """Run the steps of the flow `route` in its order, without Prefect."""
    summary, applied = store(settings, policy)
    ws = Workspace.open(settings.workspace)
    return summary, applied, publish_release.fn(ws, settings, chosen_policy(ws, settings, policy))


def store(settings: Settings, policy: Path | None):
    """All of it but the release: for what is on the way to something else."""
    ws = Workspace.open(settings.workspace)
    plan = plan_route.fn(ws, chosen_policy(ws, settings, policy))
    return describe(plan), apply_route.fn(ws, plan, settings)


@pytest.fixture(autouse=True)
def _server(prefect_api) -> None:
    """The steps leave artifacts."""


def test_dry_run_needs_no_media_and_changes_nothing(stdout_of, place, policies):
    before = versions(place / "workspace")
    shutil.rmtree(place / "films")
    workspace = place / "workspace"
    words = ("route", "--policy", policies["lenient"], "-w", workspace)
    summary = json.loads(stdout_of(*words, "--dry-run", "--clips", "--json"))
    assert summary["stage1"] == {
        "before": 0,
        "after": 3,
        "newly_admitted": 3,
        "no_longer_admitted": 0,
        "reasons": {"face_too_small": {"before": 3, "after": 0}},
    }
    assert {key: summary["stage2"][key] for key in ("before", "after", "newly_admitted")} == {
        "before": 3, "after": 3, "newly_admitted": 0,
    }  # fmt: skip
    assert [(clip["before"], clip["after"]) for clip in summary["changed"]] == [("stage2", "both")] * 3
    assert versions(workspace) == before


@pytest.mark.long
def test_applied_policy_equals_an_ingest_with_that_policy(heterodub, place, policies, config, cluster, tmp_path):
    workspace = place / "workspace"
    first = releases.latest(Workspace.open(str(workspace)))
    stage2 = tables.version(Workspace.open(str(workspace)), "stage2")
    words = ("-w", workspace, "--config", config, "--dask", cluster, "--json")
    ran = heterodub("route", "--policy", policies["lenient"], *words)
    assert ran.returncode == 0, ran.stderr
    summary = json.loads(ran.stdout)
    assert (summary["files_decoded"], summary["failed"]) == (3, {})
    assert summary["release"] == releases.latest(Workspace.open(str(workspace))).release_id != first.release_id
    assert tables.version(Workspace.open(str(workspace)), "stage2") == stage2

    direct = load_settings(config, workspace=str(tmp_path / "direct"), run={"dask": cluster})
    run(place / "films", direct)
    actual, expected = contents(workspace), contents(tmp_path / "direct")
    for table in ("clips", "stage1", "stage2"):
        assert actual[table] == expected[table], table


def test_ingest_uses_the_active_policy(place, settings, policies):
    store(settings, policies["lenient"])
    assert active_policy(Workspace.open(settings.workspace)).name == "lenient"
    write_head(place / "films" / "d.mp4", 410, 30)
    with pytest.raises(SettingsError, match=r"heterodub route --policy .*picky\.toml"):
        run(place / "films", settings)
    assert len(contents(place / "workspace")["catalog"]) == 3
    checked(place / "films", settings.model_copy(update={"policy": None}))
    rows = contents(place / "workspace")
    assert (len(rows["clips"]), len(rows["stage1"]), len(rows["stage2"])) == (4, 4, 4)


def test_payload_of_refused_clips_is_deleted(place, settings, policies):
    store(settings, policies["lenient"])
    require_sound(settings)
    summary, applied, published = apply(settings, policies["picky"])
    assert (summary["stage1"]["no_longer_admitted"], applied.decoded) == (3, 0)
    assert not published.is_new  # back to what was released: the same rows, the same release
    rows = contents(place / "workspace")
    assert (rows["stage1"], len(rows["stage2"])) == ([], 3)
    summary, applied, published = apply(settings, policies["picky"])
    assert (summary["stage1"]["no_longer_admitted"], applied.decoded, published.is_new) == (0, 0, False)


def test_killed_route_is_completed_by_the_same_command(place, settings, policies):
    """The decisions were stored, the payload they dismiss was not taken out yet."""
    ws = Workspace.open(settings.workspace)
    store(settings, policies["lenient"])
    clips = tables.read(ws, "clips", ["clip_id"])
    refused = pa.table(
        {
            "clip_id": clips["clip_id"],
            "stage1": pa.array([False] * 3),
            "stage1_reasons": pa.array([["face_too_small"]] * 3),
        }
    )
    tables.update_columns(ws, "clips", refused)
    assert len(contents(place / "workspace")["stage1"]) == 3
    apply(settings, policies["picky"])
    require_sound(settings)
    assert contents(place / "workspace")["stage1"] == []


def test_killed_route_decodes_no_file_twice(place, settings, policies, monkeypatch):
    """It dies when all is decoded and nothing committed; of one part only the beginning came to the disk."""
    ws = Workspace.open(settings.workspace)
    before, there = versions(place / "workspace"), _payload(ws)

    def die(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(reroute, "commit_parts", die)
        apply(settings, policies["lenient"])
    assert versions(place / "workspace") == before
    _, *damaged = fresh = sorted(_payload(ws) - there)
    assert len(fresh) == 3
    Path(damaged[0]).write_bytes(Path(damaged[0]).read_bytes()[:-9])

    _, applied, published = apply(settings, policies["lenient"])
    assert (applied.decoded, applied.found, applied.failed, published.is_new) == (1, 2, {}, True)
    assert len(contents(place / "workspace")["stage1"]) == 3


def test_labels_survive_routes_and_a_new_measurement(place, settings, policies):
    """Of a.mp4 a person keeps stage 1, which the policy refuses; of b.mp4 a person refuses stage 2."""
    ws = Workspace.open(settings.workspace)
    clips = {Path(row["uri"]).name: row for row in contents(place / "workspace")["clips"]}
    said = (("a.mp4", Stage.STAGE1, True), ("b.mp4", Stage.STAGE2, False))
    for name, stage, keep in said:
        store_labels(ws, [NewLabel(clips[name]["clip_id"], clips[name]["media_id"], stage, keep, "seen", "Ann")])
    policy = chosen_policy(ws, settings, None)
    waiting = publish_release.fn(ws, settings, policy)
    assert waiting.is_new and "2 labels not applied yet: `heterodub route` does" in waiting.notes
    summary, applied, published = apply(settings, None)
    assert summary["labels"] == {"stage1": {"kept": 1, "refused": 0}, "stage2": {"kept": 0, "refused": 1}}
    assert (applied.decoded, published.is_new) == (1, True)
    assert not any("labels" in note for note in published.notes)
    assert releases.latest(ws).labels_version == tables.version(ws, "labels")
    assert _stages(place) == {"a.mp4": (True, True), "b.mp4": (False, False), "c.mp4": (False, True)}

    store(settings, policies["lenient"])
    assert _stages(place) == {"a.mp4": (True, True), "b.mp4": (True, False), "c.mp4": (True, True)}
    store(settings, policies["picky"])
    tables.delete_rows(ws, "catalog", "uri", [clips[name]["uri"] for name, _, _ in said])  # as if never seen
    before = tables.version(ws, "clips")
    checked(place / "films", settings)
    assert tables.version(ws, "clips") > before
    assert _stages(place) == {"a.mp4": (True, True), "b.mp4": (False, False), "c.mp4": (False, True)}
    rows = {Path(row["uri"]).name: row for row in contents(place / "workspace")["clips"]}
    assert rows["b.mp4"]["stage2_reasons"] == ["refused_by_person"] and len(read_labels(ws)) == 2


def _stages(place: Path) -> dict[str, tuple[bool, bool]]:
    """Admissions of each film's clip; its payload must be there, and no other."""
    rows = contents(place / "workspace")
    for stage in ("stage1", "stage2"):
        held = {row["clip_id"] for row in rows[stage]}
        assert held == {row["clip_id"] for row in rows["clips"] if row[stage]}
    return {Path(row["uri"]).name: (row["stage1"], row["stage2"]) for row in rows["clips"]}


def _payload(ws: Workspace) -> set[str]:
    return {str(path) for path in Path(ws.path("stage1")).glob("part-*.parquet")}


def test_clips_of_missing_files_keep_their_payload(place, settings, tmp_path):
    """The policy wants their stage 1, which cannot be made any more, and dismisses their stage 2."""
    wanted = tmp_path / "only1.toml"
    wanted.write_text(ONLY_STAGE1)
    (place / "films" / "b.mp4").unlink()
    summary, applied, published = apply(settings, wanted)
    assert summary["stage1"]["newly_admitted"] == summary["stage2"]["no_longer_admitted"] == 3
    assert (applied.decoded, [refusal.reason.value for refusal in applied.failed.values()]) == (2, ["vanished"])
    assert published.is_new
    rows = contents(place / "workspace")
    (kept,) = (row for row in rows["clips"] if row["uri"].endswith("b.mp4"))
    assert (kept["stage1"], kept["stage2"]) == (False, True)
    assert [row["clip_id"] for row in rows["stage2"]] == [kept["clip_id"]]
    assert len(rows["stage1"]) == 2

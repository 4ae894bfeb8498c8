"""A moved workspace uses its own runs and models again; a copy does so with --forget."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import TrackingSettings
from heterodub.schemas.errors import TrackingError
from heterodub.tasks.stores.workspace import TRACKING, Workspace
from heterodub.tasks.tracking.address import place_of
from heterodub.tasks.tracking.relocation import relocate
from heterodub.tasks.tracking.runs import tracked_run
from heterodub.tasks.tracking.store import open_tracking

DEFAULT = TrackingSettings()


@pytest.fixture
def used(ws, local) -> Workspace:
    """A workspace with a run that has a file, and a version of a model whose files are that run's."""
    with tracked_run(local, "train") as run:
        run.content("made.txt", "kept")
    info = local.client.get_run(run.run_id).info
    local.client.create_registered_model("landmark-generator")
    local.client.create_model_version("landmark-generator", info.artifact_uri, run.run_id)
    return ws


def there(ws: Workspace) -> str:
    """Return the content of the run's file, read through MLflow."""
    store = open_tracking(DEFAULT, ws)
    (version,) = store.client.search_model_versions("name = 'landmark-generator'")
    assert version.source.startswith(f"{ws.root}/")
    return Path(store.client.download_artifacts(version.run_id, "made.txt")).read_text()


def test_moved_workspace_has_its_models_again(used, tmp_path):
    moved = Workspace.open(str(shutil.move(used.root, tmp_path / "larger disk, new_")))
    with pytest.raises(TrackingError, match="heterodub relocate -w "):
        open_tracking(DEFAULT, moved)
    done = relocate(place_of(DEFAULT, moved))
    assert (done.forgotten, done.models, done.missing) == ((used.root,), 1, ())
    assert done.addresses >= 3
    assert there(moved) == "kept"
    again = relocate(place_of(DEFAULT, moved))
    assert (again.forgotten, again.addresses) == ((), 0)


def test_copy_is_separated_only_with_forget(used, tmp_path):
    copy = Workspace.open(str(shutil.copytree(used.root, tmp_path / "copy")))
    place = place_of(DEFAULT, copy)
    before = (Path(copy.root) / TRACKING / "mlflow.db").read_bytes()
    for forget in (None, tmp_path, Path(copy.root)):
        with pytest.raises(TrackingError, match=f"{used.root} is still there"):
            relocate(place, forget)
    assert (Path(copy.root) / TRACKING / "mlflow.db").read_bytes() == before
    relocate(place, Path(used.root) / "..." / "..")
    (changed,) = Path(copy.root).rglob("made.txt")
    changed.write_text("the copy's")
    assert (there(copy), there(used)) == ("the copy's", "kept")


def test_link_to_the_same_place_is_no_other_place(used, tmp_path):
    (tmp_path / "link").symlink_to(used.root)
    linked = Workspace.open(str(tmp_path / "link"))
    relocate(place_of(DEFAULT, linked))
    assert there(linked) == "kept"


def test_missing_files_after_a_move_are_named(used, tmp_path):
    moved = Workspace.open(str(shutil.move(used.root, tmp_path / "moved")))
    shutil.rmtree(Path(moved.root) / TRACKING / "artifacts")
    assert relocate(place_of(DEFAULT, moved)).missing == ("landmark-generator version 1",)


def test_similar_path_prefixes_are_not_rewritten(used, tmp_path):
    place = place_of(DEFAULT, used)
    with sqlite3.connect(place.database) as store:
        store.execute("UPDATE runs SET artifact_uri = ?", (f"{place.artifacts}-other/1/artifacts",))
    moved = Workspace.open(str(shutil.move(used.root, tmp_path / "moved")))
    relocate(place_of(DEFAULT, moved))
    with sqlite3.connect(place_of(DEFAULT, moved).database) as store:
        assert store.execute("SELECT artifact_uri FROM runs").fetchone() == (f"{place.artifacts}-other/1/artifacts",)


def test_workspace_without_own_store_needs_no_rewrite(tmp_path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    with pytest.raises(TrackingError, match="no runs and models yet"):
        relocate(place_of(DEFAULT, ws))
    with pytest.raises(TrackingError, match="not in the workspace"):
        relocate(place_of(TrackingSettings(uri="http://127.0.0.1:1"), ws))


def test_damaged_store_is_named(ws):
    (Path(ws.root) / TRACKING / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(TrackingError, match="nothing was changed"):
        relocate(place_of(DEFAULT, ws))

"""Versions carried to another registry by MLflow's own calls, as docs/promotion.md writes them."""

import re
from pathlib import Path

import mlflow
import pytest

from heterodub.schemas.config.settings import TrackingSettings
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.champions import set_aliases
from heterodub.tasks.tracking.kinds import LANDMARK_GENERATOR
from heterodub.tasks.tracking.models import Version, export_model, fetch_version, log_model
from heterodub.tasks.tracking.registry import CHAMPION, versions
from heterodub.tasks.tracking.runs import tracked_run
from heterodub.tasks.tracking.store import Tracking, open_tracking
from tests.tasks.tracking.conftest import with_tables
from tests.tasks.tracking.test_models import make

PAGE = Path(__file__).parents[3] / "docs" / "promotion.md"


@pytest.fixture
def champion(local: Tracking, tmp_path: Path) -> Version:
    make(tmp_path / "generator")
    with tracked_run(local, "training") as run:
        version = log_model(run, tmp_path / "generator", LANDMARK_GENERATOR)
    set_aliases(local, version.name, {CHAMPION: version.number})
    return version


def run_recipe(call: str, **places: str) -> None:
    """Run the one recipe of the page that has this call, with places of the test's."""
    (recipe,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if call in block)
    for name, place in places.items():
        recipe = recipe.replace(f"http://{name}:5000", place).replace(name, place)
    exec(compile(recipe, str(PAGE), "exec"), {})


def test_copy_within_a_registry_reads_the_same_files(local: Tracking, champion: Version, tmp_path: Path):
    run_recipe("copy_model_version", STAGING=local.place.uri)
    (copy,) = local.client.search_model_versions("name = 'production-landmark-generator'")
    place = local.client.get_model_version_download_uri(copy.name, copy.version)
    assert place == local.client.get_model_version_download_uri(champion.name, str(champion.number))
    assert copy.tags["checksums_sha256"] == champion.checksums


def test_version_carried_to_another_server_is_checked_there(
    local: Tracking, champion: Version, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
):
    other = with_tables(Workspace.open(str(tmp_path / "other"), create=True), empty_database)
    production = open_tracking(TrackingSettings(), other)
    export_model(local, champion, tmp_path / "fetched")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", production.experiment)
    before = mlflow.get_tracking_uri()
    try:
        places = {"STAGING": local.place.uri, "PRODUCTION": production.place.uri}
        run_recipe("create_model_version", **places, FOLDER=str(tmp_path / "fetched"))
    finally:
        mlflow.set_tracking_uri(before)
    (version,) = versions(production, champion.name)
    fetched = fetch_version(production, version, tmp_path / "again")
    assert (fetched / "weights.safetensors").read_bytes() == (tmp_path / "generator/weights.safetensors").read_bytes()

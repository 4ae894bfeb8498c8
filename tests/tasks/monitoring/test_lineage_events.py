"""OpenLineage events in a file, and what happens without the client."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.monitoring.lineage_events import data_set, model_trained, release_published
from heterodub.tasks.monitoring.run_log import recording

RUN = "64ec1910-4968-4fbf-9690-a9f0a1fb5bb1"
RELEASE: Any = SimpleNamespace(release_id="20261129-abc", versions={"clips": 3, "stage1": 4})


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that OpenLineage's own configuration names."""
    (tmp_path / "lineage.yml").write_text(
        f"transport:\n  type: file\n  log_file_path: {tmp_path}/events.jsonl\n  append: true\n"
    )
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(tmp_path / "lineage.yml"))
    return tmp_path / "events.jsonl"


def emit(root: str) -> None:
    with recording("retrain", Settings(workspace=root), RUN):
        release_published(root, RELEASE)
        model_trained(root, RELEASE.release_id, "landmark-generator", 2)


def test_release_and_training_are_one_line_of_data(events: Path):
    pytest.importorskip("openlineage.client", reason="the extra `telemetry` is not installed")
    emit("s3://lab/space")
    published, trained = map(json.loads, events.read_text().splitlines())
    assert (published["job"]["name"], published["eventType"], published["run"]["runId"]) == ("publish", "COMPLETE", RUN)
    assert versions(published["inputs"]) == {"space/clips": "3", "space/stage1": "4"}
    assert published["outputs"][0]["namespace"] == "s3://lab"
    assert (
        versions(published["outputs"]) == versions(trained["inputs"]) == {"space/releases/20261129-abc": "20261129-abc"}
    )
    assert versions(trained["outputs"]) == {"landmark-generator": "2"}


def versions(data: list[dict]) -> dict[str, str]:
    return {one["name"]: one["facets"]["version"]["datasetVersion"] for one in data}


def test_missing_client_is_said_and_costs_nothing(events: Path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "openlineage.client", None)
    emit("/nowhere/at all")
    assert "pip install 'heterodub[telemetry]'" in caplog.text and not events.exists()


def test_nothing_is_sent_unless_the_variable_says_so(events: Path, monkeypatch, tmp_path, caplog):
    """A file in the working folder may have come with footage: it decides nothing."""
    (tmp_path / "openlineage.yml").write_text((tmp_path / "lineage.yml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENLINEAGE_CONFIG")
    emit("/nowhere/at all")
    assert "lineage" not in caplog.text and not events.exists()


def test_data_sets_are_named_as_openlineage_names_paths_and_buckets():
    assert data_set("/lab/space/", "clips") == ("file", "/lab/space/clips")
    assert data_set("s3://lab", "clips") == ("s3://lab", "clips")
    assert data_set("s3://lab/space", "clips") == ("s3://lab", "space/clips")

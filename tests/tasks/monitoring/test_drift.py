"""Drift of new clips against the last release, from tables to warnings."""

import logging
from pathlib import Path
from typing import Any

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.monitoring.drift import STEP, arrivals, drift_of, find_drift
from heterodub.tasks.monitoring.run_log import recording
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample

ORIGIN = releases.ReleaseProvenance(sample.BACKEND, sample.EXTRACTOR, "0123456789ab", "0123456789ab", "1")


def add(ws: Workspace, media: range, **changes: Any) -> None:
    tables.append_rows(ws, "clips", sample.clips(*(sample.clip_row(number, **changes) for number in media)))


def publish(ws: Workspace) -> None:
    releases.publish(ws, releases.current_versions(ws), ORIGIN, {})


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return Workspace.open(str(tmp_path / "ws"), create=True)


def seen(ws: Workspace) -> list[tuple[str, int, int, str | None]]:
    result = arrivals(ws, ["clip_id", "media_id", "corpus"])
    return [(one.corpus, one.now.num_rows, one.before.num_rows if one.before else 0, one.against) for one in result]


def test_arrivals_are_clips_outside_the_last_release(ws: Workspace):
    assert seen(ws) == []
    add(ws, range(5))
    assert seen(ws) == [("default", 5, 0, None)]
    publish(ws)
    assert seen(ws) == []
    add(ws, range(5, 8))
    add(ws, range(8, 10), corpus="web")
    assert seen(ws) == [("default", 3, 5, "corpus"), ("web", 2, 5, "release")]


def test_drifting_corpus_is_warned_and_recorded(ws: Workspace, caplog: pytest.LogCaptureFixture):
    add(ws, range(40))
    publish(ws)
    add(ws, range(40, 80), sharpness=0.1)
    add(ws, range(80, 120), corpus="web")
    with recording("ingest", Settings(workspace=ws.root)):
        drifts = find_drift(ws, Settings())
    assert [(one.corpus, [signal.signal for signal in one.beyond]) for one in drifts] == [
        ("default", ["sharpness"]),
        ("web", []),
    ]
    (warning,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert "corpus default" in warning and "sharpness 1.00 (0.5 -> 0.1)" in warning
    (run,) = runs(ws)
    assert [step.corpus for step in run.corpora(STEP)] == ["default", "web"]
    distances = {one.signal: one.distance for one in drift_of(run.corpora(STEP)[0].facts).signals}
    assert distances["sharpness"] == 1


def test_corpus_limit_overrides_the_default(ws: Workspace):
    add(ws, range(40))
    publish(ws)
    add(ws, range(40, 80), sharpness=0.1)
    settings = Settings.model_validate({"drift": {"corpora": [{"name": "default", "limit": 1.0}]}})
    assert [one.warning() for one in find_drift(ws, settings)] == [""]

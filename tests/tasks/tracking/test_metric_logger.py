"""Curves of a training in its run; also when the store goes away, and when a killed training is taken up again."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from heterodub.model.training.callbacks import CallbackList, StepMetrics, ValidationMetrics
from heterodub.schemas.config.settings import TrackingSettings
from heterodub.tasks.tracking.metric_logger import TrackedTraining
from heterodub.tasks.tracking.runs import TrackedRun, tracked_run
from heterodub.tasks.tracking.store import Tracking, open_tracking
from heterodub.tasks.tracking.system_metrics import system_metrics
from tests.tasks.tracking.served import Server


def step(number: int) -> StepMetrics:
    losses = {"l1": float(number), "total": 2.0 * number, "fusion/sound": 0.5}
    return StepMetrics(number, losses, learning_rate=1e-3, seconds=0.2, waiting_s=0.05)


def train(listener: TrackedTraining, first: int, last: int) -> None:
    listener.on_train_start(first, 100)
    for number in range(first + 1, last + 1):
        listener.on_train_step_end(step(number))


def curve(tracking: Tracking, run: TrackedRun, name: str) -> list[tuple[int, float]]:
    return sorted((entry.step, entry.value) for entry in tracking.client.get_metric_history(run.run_id, name))


@pytest.fixture(scope="module")
def mortal(tmp_path_factory) -> Iterator[Server]:
    """A server that a test may stop, if it starts it again."""
    server = Server(tmp_path_factory.mktemp("mortal"))
    server.start()
    yield server
    server.stop()


def test_points_are_means_over_steps(tracking):
    with tracked_run(tracking, "curves") as run:
        listener = TrackedTraining(run, point_steps=10)
        train(listener, 0, 30)
        listener.on_train_end(30, "done")
    assert curve(tracking, run, "loss/l1") == [(10, 5.5), (20, 15.5), (30, 25.5)]
    assert curve(tracking, run, "loss/total")[-1] == (30, 51.0)
    assert curve(tracking, run, "fusion/sound") == [(10, 0.5), (20, 0.5), (30, 0.5)]
    assert curve(tracking, run, "learning_rate")[0] == (10, 1e-3)
    assert curve(tracking, run, "data_wait_frac")[0][1] == pytest.approx(0.25)
    assert curve(tracking, run, "steps_per_s")[0][1] == pytest.approx(5.0)


def test_load_of_the_machine_is_logged_unless_it_is_switched_off(local, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1")
    load = ("system/cpu_utilization_percentage", "system/system_memory_usage_percentage")
    with tracked_run(local, "load") as run:
        threads = threading.active_count()
        with system_metrics(run, wanted=False):
            assert threading.active_count() == threads
        with system_metrics(run):
            end = time.monotonic() + 120
            while not curve(local, run, load[0]):
                assert time.monotonic() < end
                time.sleep(0.2)
    assert all(curve(local, run, name) for name in load)


def test_metrics_are_batched_and_flushed_at_the_end(local):
    with tracked_run(local, "batches") as run:
        listener = TrackedTraining(run, point_steps=2)
        train(listener, 0, 8)
        assert curve(local, run, "loss/l1") == []
        train(listener, 8, 10)
        assert len(curve(local, run, "loss/l1")) == 5
        train(listener, 10, 13)
        listener.on_train_end(13, "done")
    assert [at for at, _ in curve(local, run, "loss/l1")] == [2, 4, 6, 8, 10, 12, 13]


def test_scores_without_a_value_are_left_out(tracking):
    with tracked_run(tracking, "val") as run:
        listener = TrackedTraining(run)
        listener.on_validation_end(
            ValidationMetrics(50, {"nme": 0.8, "correlation": None, "sync/score": 1.5}, best=True)
        )
        listener.on_validation_end(ValidationMetrics(100, {"nme": 0.9, "correlation": 0.4}, best=False))
        assert curve(tracking, run, "val/nme") == [(50, 0.8), (100, 0.9)]
    assert curve(tracking, run, "val/correlation") == [(100, 0.4)]
    assert curve(tracking, run, "sync/score") == [(50, 1.5)]
    assert curve(tracking, run, "val/best_step") == [(50, 50.0)]


def test_checkpoints_are_not_uploaded(local, tmp_path):
    (tmp_path / "checkpoint").write_bytes(b"x" * 1000)
    with tracked_run(local, "saved") as run:
        CallbackList(TrackedTraining(run)).on_save_checkpoint(10, tmp_path / "checkpoint")
    assert local.client.list_artifacts(run.run_id) == []


def test_failed_training_keeps_its_curve(local):
    with pytest.raises(FloatingPointError), tracked_run(local, "nan") as run:
        train(TrackedTraining(run), 0, 17)
        raise FloatingPointError("loss is NaN")
    assert [at for at, _ in curve(local, run, "loss/l1")] == [10, 17]


def test_resumed_curve_equals_an_undisturbed_one(tracking):
    """Killed at step 38, with its last checkpoint at 20: the curve must not hold steps 30 twice."""
    with pytest.raises(KeyboardInterrupt), tracked_run(tracking, "long") as run:
        listener = TrackedTraining(run)
        train(listener, 0, 35)
        listener.on_validation_end(ValidationMetrics(35, {"nme": 0.7}, best=True))
        raise KeyboardInterrupt
    with tracked_run(tracking, "long", resume=run.run_id) as again:
        listener = TrackedTraining(again)
        train(listener, 20, 35)
        listener.on_validation_end(ValidationMetrics(35, {"nme": 0.7}, best=True))
        train(listener, 35, 60)
        listener.on_train_end(60, "done")
    steps = [at for at, _ in curve(tracking, run, "loss/total")]
    assert len(steps) == len(set(steps))
    assert {10, 20, 30, 40, 50, 60} <= set(steps)
    assert curve(tracking, run, "val/nme") == [(35, 0.7)]


def test_resending_after_a_lost_answer_duplicates_nothing(tracking):
    from mlflow.entities import Metric

    with tracked_run(tracking, "twice") as run:
        same = [Metric("loss/l1", 0.5, 1_700_000_000_000, 10)]
        run.send(same)
        run.send(same)
    assert curve(tracking, run, "loss/l1") == [(10, 0.5)]


@pytest.mark.long
def test_returning_server_gets_all_metrics(mortal, ws, caplog, capfd):
    tracking = open_tracking(TrackingSettings(uri=mortal.uri), ws)
    with caplog.at_level(logging.WARNING), tracked_run(tracking, "outage") as run:
        listener = TrackedTraining(run, point_steps=1, first_pause_s=0.01)
        train(listener, 0, 10)
        mortal.stop()
        train(listener, 10, 60)
        listener.on_validation_end(ValidationMetrics(60, {"nme": 0.5}, best=True))
        listener.on_sample("val/opening.png", b"\x89PNG")
        assert sum("store is away" in record.message for record in caplog.records) == 1
        mortal.start()
        time.sleep(0.7)  # the pause has doubled a few times
        train(listener, 60, 70)
        assert "store is back" in caplog.text
        assert [at for at, _ in curve(tracking, run, "loss/l1")][:60] == list(range(1, 61))
    assert [at for at, _ in curve(tracking, run, "loss/l1")] == list(range(1, 71))
    assert curve(tracking, run, "val/nme") == [(60, 0.5)]
    assert [file.path for file in tracking.client.list_artifacts(run.run_id, "val")] == ["val/opening.png"]
    assert tracking.client.get_run(run.run_id).info.status == "FINISHED"
    assert "never reached" not in caplog.text
    assert capfd.readouterr().out == ""  # stdout belongs to answers


@pytest.mark.long
@pytest.mark.slow
def test_absent_server_is_warned_about_and_stops_nothing(mortal, ws, caplog, tmp_path):
    tracking = open_tracking(TrackingSettings(uri=mortal.uri), ws)
    with caplog.at_level(logging.WARNING), tracked_run(tracking, "lost") as run:
        listener = TrackedTraining(run, point_steps=1)
        mortal.stop()
        train(listener, 0, 40)
        listener.on_sample("val/opening.png", b"\x89PNG")
        listener.on_train_end(40, "done")
    words = [record.getMessage() for record in caplog.records]
    assert sum("store is away" in one for one in words) == 1
    (lost,) = [one for one in words if "never reached MLflow" in one]
    assert lost.startswith("240 values and 1 files")
    assert any("shows it as running" in one for one in words)
    mortal.start()
    assert tracking.client.get_run(run.run_id).info.status == "RUNNING"


def test_queued_pictures_are_bounded(local):

    with tracked_run(local, "full") as run:
        listener = TrackedTraining(run)
        listener._not_before = time.monotonic() + 1e6  # as after an attempt that failed
        for number in range(40):
            listener.on_sample(f"val/{number:02}.png", b"x")
    kept = [Path(file.path).stem for file in local.client.list_artifacts(run.run_id, "val")]
    assert kept == [f"{number:02}" for number in range(24, 40)]

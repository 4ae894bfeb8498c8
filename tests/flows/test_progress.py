"""Progress on a terminal and elsewhere: bars where there is one, lines where there is none."""

from collections import Counter

import pytest

from heterodub.flows.cli.progress import TerminalProgress
from heterodub.model.training.callbacks import StepMetrics
from heterodub.schemas.display import duration
from heterodub.tasks.ingestion.tally import Tally
from heterodub.tasks.monitoring.progress import TitledSink, current_progress, use_progress
from heterodub.tasks.steps.progress import TrainingProgress


def learn(progress: TrainingProgress, steps: int) -> None:
    progress.on_train_start(0, steps)
    for step in range(1, steps + 1):
        progress.on_train_step_end(StepMetrics(step, {"total": 0.5}, learning_rate=1e-3, seconds=0.1, waiting_s=0.0))
    progress.on_train_end(steps, "done")


@pytest.mark.parametrize("live", [False, True])
def test_progress_shows_two_trainings_in_turn(live, capsys):
    with TerminalProgress(live) as sink:
        learn(TrainingProgress(sink), 2)
        learn(TrainingProgress(sink), 3)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "done at step 2" in shown.err and "done at step 3" in shown.err
    assert "loss 0.5" in shown.err
    assert ("train: 3 to do" in shown.err) is not live


@pytest.mark.parametrize("live", [False, True])
def test_progress_of_an_ingest_shows_counts_and_routes(live, capsys):
    with TerminalProgress(live) as sink:
        for part in (0, 1):  # a large source comes in slices
            sink.phase("identify", 1)
            sink.advance()
            tally = Tally(2, part, 10, 5 * part)
            sink.phase("analyse", tally.files, tally.files_done, tally.share)
            tally = Tally(2, part + 1, 10, 5 * part + 5, routes=Counter(both=part + 1))
            sink.advance(tally.routes_text, tally.share)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "both 2" in shown.err and "2/2" in shown.err
    assert ("analyse: 2 to do" in shown.err) is not live


@pytest.mark.parametrize("live", [False, True])
def test_progress_of_a_dubbing_names_its_job(live, capsys):
    with TerminalProgress(live) as sink:
        titled = TitledSink(sink, "1/2 [a].mp4: ")
        titled.advance()  # what a child reports before its phase
        titled.phase("references")
        titled.advance()
        titled.phase("dub", 3)
        titled.advance()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "1/2 [a].mp4: dub" in shown.err


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (90, "90 s"), (91, "2 min"), (5400, "1.5 h")])
def test_durations_have_a_unit(seconds, text):
    assert duration(seconds) == text


def test_finished_training_is_not_shown_as_resumed(capsys: pytest.CaptureFixture[str]):
    progress = TrainingProgress(TerminalProgress(live=False))
    progress.on_train_start(60, 60)
    progress.on_train_end(60, "done")
    captured = capsys.readouterr().err
    assert "to do" not in captured and "all 60 steps were taken before; --no-resume starts over" in captured
    progress.on_train_start(20, 60)
    assert "train: 40 to do, 20 are done" in capsys.readouterr().err


def test_flows_report_to_the_sink_of_the_block():
    sink = TerminalProgress(live=False)
    with use_progress(sink):
        assert current_progress() is sink
    assert current_progress() is not sink

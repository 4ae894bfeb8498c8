"""Displays: lines where there is no terminal, bars where there is one, for several trainings in a row, too."""

from collections import Counter

import pytest

from flows.cli.dubbing_progress import DubDisplay
from flows.cli.ingest_progress import Display
from flows.cli.progress import time_left
from flows.cli.training_progress import LearningDisplay
from model.training.callbacks import StepMetrics
from tasks.ingestion.progress import Tally


def learn(display: LearningDisplay, steps: int) -> None:
    display.started(0, steps)
    for step in range(1, steps + 1):
        display.stepped(StepMetrics(step, {"total": 0.5}, learning_rate=1e-3, seconds=0.1, waiting_s=0.0))
    display.ended(steps, "done")


@pytest.mark.parametrize("live", [False, True])
def test_progress_shows_two_trainings_in_turn(live, capsys):
    with LearningDisplay(live) as display:
        learn(display, 2)
        learn(display, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "done at step 2" in captured.err and "done at step 3" in captured.err
    assert ("train: 3 steps" in captured.err) is not live


@pytest.mark.parametrize("live", [False, True])
def test_progress_of_an_ingest_shows_counts_and_routes(live, capsys):
    with Display(live) as display:
        display.phase("analyse", 2)
        for done in (1, 2):
            display.analysed(Tally(2, done, 10, 5 * done, routes=Counter(both=done)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "both 2" in captured.err
    assert ("analyse: 2 to do" in captured.err) is not live


@pytest.mark.parametrize("live", [False, True])
def test_progress_of_a_dubbing_names_its_job(live, capsys):
    with DubDisplay(live) as display:
        display.job(1, 2, "[a].mp4")
        display.phase("dub", 3)
        display.frame()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1/2 [a].mp4: dub" in captured.err


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s left"), (90, "90 s left"), (91, "2 min left")])
def test_remaining_time_is_formatted_in_words(seconds, text):
    assert time_left(seconds) == text


def test_finished_training_is_not_shown_as_resumed(capsys: pytest.CaptureFixture[str]):
    display = LearningDisplay(live=False)
    display.started(60, 60)
    display.ended(60, "done")
    captured = capsys.readouterr().err
    assert "going on" not in captured and "all 60 steps were taken before; --fresh starts over" in captured
    display.started(20, 60)
    assert "60 steps, going on from step 20" in capsys.readouterr().err

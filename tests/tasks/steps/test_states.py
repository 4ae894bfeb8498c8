"""Endings that are neither plain success nor an exception are the same everywhere: metrics, Prefect, exit codes."""

import pytest
import typer
from prefect.client.schemas.objects import StateType

from heterodub.flows.cli.options import print_result
from heterodub.flows.cli.render.status import show_status
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.endings import ENDINGS, ending_of, ending_of_jobs, with_ending
from heterodub.tasks.dubbing.jobs import dub_counts, summary_of
from heterodub.tasks.inspect.status import status
from heterodub.tasks.monitoring.run_log import as_step, recorded, recording
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.steps.states import shown_by_prefect
from heterodub.tasks.stores.workspace import Workspace

EXIT = {"done": 0, "partial": 1, "dry_run": 0, "failed": 1}
"""Of endings that a summary can name; what is stopped ends with an exception."""


@recorded("dub")
def batch(ending: str, workspace: str | None = None, config: str | None = None) -> dict:
    return with_ending({"jobs": 3}, ending)


@pytest.mark.parametrize(("done", "left", "ending"), [(3, 0, "done"), (2, 1, "partial"), (0, 3, "failed")])
def test_batch_state_follows_its_jobs(done, left, ending):
    assert ending_of_jobs(done, left) == ending
    result = [{"error": None, "skipped": False}] * done + [{"error": "no face", "skipped": False}] * left
    assert summary_of(result) | {"outcomes": []} == {
        "jobs": 3,
        "dubbed": done,
        "skipped": 0,
        "failed": left,
        "not_accepted": 0,
        "outcomes": [],
        "state": ending,
    }


def test_summary_of_skipped_jobs_is_done_and_counts_them():
    summary = summary_of([{"error": None, "skipped": True}, {"error": None, "skipped": False}])
    assert [summary[name] for name in ("dubbed", "skipped", "failed", "state")] == [1, 1, 0, "done"]
    assert summary_of([{"error": None, "skipped": True}])["state"] == "done"
    assert dub_counts([{"error": None, "skipped": True, "seconds": 5.0}]).media_s == 0


@pytest.mark.parametrize("ending", ENDINGS)
def test_run_state_is_the_same_in_all_outputs(tmp_path, capsys, ending):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    summary = batch(ending, workspace=ws.root)
    (run,) = runs(ws)
    assert (run.state, run.error) == (ending, None)
    show_status(status(Settings(workspace=ws.root)))
    assert ending.replace("_", " ") in capsys.readouterr().out
    if EXIT.get(ending):
        with pytest.raises(typer.Exit) as left:
            print_result(summary, True, print)
        assert left.value.exit_code == EXIT[ending]
    else:
        print_result(summary, True, print)


def test_subflow_state_is_a_step_state(tmp_path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    with recording("retrain", Settings(workspace=ws.root)):
        batch("partial", workspace=ws.root)
        as_step("decide")(lambda: {"state": "partial"})()
    (outer,) = (run for run in runs(ws) if run.flow == "retrain")
    assert outer.state == "done"
    assert [(step.name, step.state) for step in outer.steps] == [("dub", "partial"), ("decide", "done")]


@pytest.mark.parametrize(("ending", "name"), [("partial", "Partial"), ("dry_run", "Dry run")])
def test_prefect_state_has_the_run_state_name(ending, name):
    state = shown_by_prefect(lambda: with_ending({"jobs": 3}, ending))()
    assert (state.type, state.name, state.data["jobs"]) == (StateType.COMPLETED, name, 3)


def test_completed_run_returns_a_plain_result():
    assert shown_by_prefect(lambda: {"jobs": 3})() == {"jobs": 3}
    assert ending_of({"state": "intended"}) == ending_of(["state"]) == "done"

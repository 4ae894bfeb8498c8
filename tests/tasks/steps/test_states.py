"""Endings that are neither plain success nor an exception are the same everywhere: metrics, Prefect, exit codes."""

import pytest
import typer
from prefect.client.schemas.objects import StateType

from flows.cli.options import print_result
from flows.cli.render.status import show_status
from schemas.config.settings import Settings
from schemas.endings import ENDINGS, ending_of, ending_of_jobs, with_ending
from tasks.dubbing.batch import summary_of
from tasks.inspect.status import status
from tasks.monitoring.run_log import as_step, recorded, recording
from tasks.monitoring.runs import runs
from tasks.steps.states import shown_by_prefect
from tasks.stores.workspace import Workspace

EXIT = {"done": 0, "partial": 1, "dry_run": 0, "failed": 1}


@recorded("dub")
def batch(ending: str, workspace: str | None = None, config: str | None = None) -> dict:
    return with_ending({"jobs": 3}, ending)


@pytest.mark.parametrize(("done", "left", "ending"), [(3, 0, "done"), (2, 1, "partial"), (0, 3, "failed")])
def test_a_batch_ends_as_its_jobs_did(done, left, ending):
    assert ending_of_jobs(done, left) == ending
    result = [{"error": None}] * done + [{"error": "no face"}] * left
    assert summary_of(result) | {"outcomes": []} == {
        "jobs": 3,
        "dubbed": done,
        "failed": left,
        "outcomes": [],
        "state": ending,
    }


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_ends_everywhere_as_its_summary_says(tmp_path, capsys, ending):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    summary = batch(ending, workspace=ws.root)
    (run,) = runs(ws)
    assert (run.state, run.error) == (ending, None)
    show_status(status(Settings(workspace=ws.root)))
    assert ending.replace("_", " ") in capsys.readouterr().out
    if EXIT[ending]:
        with pytest.raises(typer.Exit) as left:
            print_result(summary, True, print)
        assert left.value.exit_code == EXIT[ending]
    else:
        print_result(summary, True, print)


def test_a_part_of_a_run_ends_as_a_step_of_it(tmp_path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    with recording("retrain", Settings(workspace=ws.root)):
        batch("partial", workspace=ws.root)
        as_step("decide")(lambda: {"state": "partial"})()
    (outer,) = (run for run in runs(ws) if run.flow == "retrain")
    assert outer.state == "done"
    assert [(step.name, step.state) for step in outer.steps] == [("dub", "partial"), ("decide", "done")]


@pytest.mark.parametrize(("ending", "name"), [("partial", "Partial"), ("dry_run", "Dry run")])
def test_prefect_is_given_a_state_of_that_name(ending, name):
    state = shown_by_prefect(lambda: with_ending({"jobs": 3}, ending))()
    assert (state.type, state.name, state.data["jobs"]) == (StateType.COMPLETED, name, 3)


def test_what_is_done_stays_a_plain_result():
    assert shown_by_prefect(lambda: {"jobs": 3})() == {"jobs": 3}
    assert ending_of({"state": "intended"}) == ending_of(["state"]) == "done"

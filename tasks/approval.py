"""Asks a person: the flow run pauses, and the Prefect UI shows a form beside the evidence."""

from typing import Final

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from tasks.promotion.answers import check_rows
from tasks.promotion.deciding import Verdict
from tasks.promotion.gate import Contest

KEY: Final = "approval"
"""Key of the pause; a flow run asks once."""

_POLL_S: Final = 2
"""Seconds between two looks whether somebody answered."""


class Approval(RunInput):
    """The form. Nothing is filled in for whoever answers: no answer means no."""

    approve: bool = Field(False, description="make the challenger the champion")
    who: str = Field("", description="who decides")
    reason: str = Field("", description="why; a refusal needs one")


def ask_person(contest: Contest, verdict: Verdict, run: str) -> tuple[str, str]:
    """Pause until somebody answers: (why it is refused, who approved); one of them is empty.

    Called from a flow. A person who does not answer in time has refused.
    """
    form = Approval.with_initial_data(description=_description(contest, verdict, run))
    timeout_s = contest.rule.approval.timeout_s
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=timeout_s, poll_interval=_POLL_S, key=KEY)
    except FlowPauseTimeout:
        return f"nobody answered within {timeout_s} s", ""
    who = answer.who.strip() or "somebody who gave no name"
    if answer.approve:
        return "", f"{who}: {answer.reason}" if answer.reason.strip() else who
    return f"{who} refused: {answer.reason.strip() or 'no reason was given'}", ""


def _description(contest: Contest, verdict: Verdict, run: str) -> str:
    """What is shown above the form, as Markdown."""
    rows = [
        f"| {row['held']} | {row['check']} | {row['found']} | {row['asked']} |" for row in check_rows(verdict)
    ]  # fmt: skip
    head = ["| held | check | found | asked |", "|---|---|---|---|"]
    return "\n".join(
        [
            f"**{contest.title}**: {verdict.why}",
            "",
            *head,
            *rows,
            "",
            f"Clips side by side: `promotion/comparison.html` of MLflow run `{run}`.",
        ]
    )

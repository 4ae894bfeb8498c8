"""Asks a person: the flow run pauses, and the Prefect UI shows a form under the checks and the clips side by side."""

import base64
from collections.abc import Iterator
from typing import Final

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout, PrefectHTTPStatusError
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput, delete_flow_run_input, keyset_from_base_key
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for
from pydantic import Field

from schemas.errors import SettingsError
from tasks.promotion.comparison_page import ComparisonPage
from tasks.promotion.decision import PromotionDecision
from tasks.promotion.gate import Comparison
from tasks.promotion.summaries import check_rows

KEY: Final = "approval"
"""Key of the pause; a flow run asks once."""

_POLL_S: Final = 2
"""Seconds between two looks whether somebody answered."""


class Approval(RunInput):
    """The form. Nothing is filled in for whoever answers: no answer means no."""

    approve: bool = Field(False, description="make the challenger the champion; left off, it is refused")
    who: str = Field("", description="who decides")
    reason: str = Field("", description="why; a refusal needs one")


def require_somewhere_to_answer() -> None:
    """Refuse to ask on a Prefect server that was started for this run alone: nobody would find its form.

    Raises: SettingsError - there is no other one.
    """
    if get_current_settings().api.url is None:
        raise SettingsError(
            "the policy wants a person's word, and this run has a Prefect server of its own where nobody can give it: "
            "`prefect server start` in another terminal, then run this again"
        )


def ask_person(comparison: Comparison, verdict: PromotionDecision, run: str, page: ComparisonPage) -> tuple[str, str]:
    """Pause until somebody answers: (why it is refused, who approved); one of them is empty.

    Called from a flow. A person who does not answer in time has refused. The text above the form, which shows faces, is
    taken out of Prefect's database afterwards: a takedown does not reach it there.
    """
    form = Approval.with_initial_data(description=_description(comparison, verdict, run, page))
    timeout_s = comparison.rule.approval.timeout_s
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=timeout_s, poll_interval=_POLL_S, key=KEY)
    except FlowPauseTimeout:
        return f"nobody answered within {timeout_s} s", ""
    finally:
        _forget_description()
    who = answer.who.strip() or "somebody who gave no name"
    if answer.approve:
        return "", f"{who}: {answer.reason}" if answer.reason.strip() else who
    return f"{who} refused: {answer.reason.strip() or 'no reason was given'}", ""


def where_to_answer(comparison: Comparison) -> str:
    """For the terminal of whoever started the flow it is called from."""
    context = FlowRunContext.get()
    found = url_for("flow-run", context.flow_run.id) if context and context.flow_run else None
    wait = f"waits for a person's word, {comparison.rule.approval.timeout_s} s at most"
    return f"{wait}: Resume, at {found or 'the flow run in the Prefect UI'}"


def _forget_description() -> None:
    try:
        delete_flow_run_input(key=keyset_from_base_key(f"paused-{KEY}")["description"])
    except PrefectHTTPStatusError as error:  # the decision stands all the same
        get_run_logger().warning("the text above the form, with its films, is still in Prefect's database: %s", error)


def _description(comparison: Comparison, verdict: PromotionDecision, run: str, page: ComparisonPage) -> str:
    """What is shown above the form, as Markdown."""
    rows = [
        f"| {row['held']} | {row['check']} | {row['found']} | {row['asked']} |" for row in check_rows(verdict)
    ]  # fmt: skip
    head = ["| held | check | found | asked |", "|---|---|---|---|"]
    return "\n".join(
        [
            f"**{comparison.title}**: {verdict.why}",
            "",
            *head,
            *rows,
            "",
            *_films(page),
            f"Everything: `promotion/comparison.html` of MLflow run `{run}`.",
        ]
    )


def _films(page: ComparisonPage) -> Iterator[str]:
    """The clip that the challenger does best on, and the one it does worst on; Prefect's UI plays films in its text."""
    clips = list(page.films)
    for clip, what in dict.fromkeys([(clips[0], "best"), (clips[-1], "worst")]) if clips else ():
        film = base64.b64encode(page.films[clip]).decode("ascii")
        yield f"Clip `{clip[:12]}`, where it does {what}:"
        yield ""
        yield f'<video controls loop width="100%" src="data:video/mp4;base64,{film}"></video>'
        yield ""

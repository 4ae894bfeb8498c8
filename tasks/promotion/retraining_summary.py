"""Summary of a retraining, the outcome of each step: ready for JSON, as rows, and as Markdown."""

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from heterodub.schemas.addresses import without_password
from heterodub.schemas.config.sections import StageName
from heterodub.schemas.errors import HeterodubError, server_is_lost
from heterodub.schemas.promotion import NO_CHAMPION, REFUSED

if TYPE_CHECKING:
    from heterodub.tasks.promotion.retraining import Outlook

_LOG: Final = logging.getLogger(__name__)

FAILED: Final = "failed"
UNCHANGED: Final = "unchanged"

Summary = dict[str, Any]

_NOTABLE: Final = (FAILED, "promoted", REFUSED, "kept", NO_CHAMPION, UNCHANGED)
"""Outcomes of a stage; that of the whole is the first of these that any stage has."""


def in_words(error: Exception) -> str:
    """Return the error of a step as text; that of one which is not ours, a fault of the program, is logged with its
    trace.

    Raises: error - the Prefect server of the run is lost, so no other step could be done either.
    """
    if isinstance(error, HeterodubError):
        return str(error)
    if server_is_lost(error):
        raise error
    trace = without_password("".join(traceback.format_exception(error)))
    _LOG.error("a step of the retraining broke:\n%s", trace)
    return without_password(f"{type(error).__name__}: {error}")


def ingested(corpus: str, summary: Mapping[str, Any]) -> Summary:
    """Return the entry of a corpus that was ingested. summary: of the ingest."""
    facts = {name: summary[name] for name in ("files", "new_files", "clips", "release", "release_is_new")}
    return {"corpus": without_password(corpus), **facts, "error": None}


def not_ingested(corpus: str, error: str) -> Summary:
    """Return the entry of a corpus that could not be ingested."""
    return {"corpus": without_password(corpus), "release": None, "release_is_new": False, "error": error}


def unchanged(outlook: "Outlook") -> Summary:
    """Return the entry of a stage that is not due."""
    return _stage(outlook) | {"outcome": UNCHANGED, "reason": outlook.due_reason, "champion": outlook.champion}


def retrained(outlook: "Outlook", version: int, promotion: Mapping[str, Any]) -> Summary:
    """Return the entry of a stage that was trained and evaluated. promotion: its summary."""
    outcome = {"outcome": promotion["outcome"], "reason": promotion["reason"], "champion": promotion["champion"]}
    return _stage(outlook) | {"version": version, "evidence": promotion["run"]} | outcome


def failed(stage: StageName, error: str) -> Summary:
    """Return the entry of a stage of which a step failed."""
    return {"stage": stage, "outcome": FAILED, "reason": error}


def summarise(corpora: Sequence[Summary], stages: Sequence[Summary], seconds: float) -> Summary:
    """Summarise all corpora and stages. If no corpus could be ingested, no stage was retrained."""
    failures = [f"{corpus['corpus']}: {corpus['error']}" for corpus in corpora if corpus["error"]]
    failures += [f"{stage['stage']}: {stage['reason']}" for stage in stages if stage["outcome"] == FAILED]
    present = {stage["outcome"] for stage in stages} | ({FAILED} if failures else set())
    return {
        "outcome": next((outcome for outcome in _NOTABLE if outcome in present), UNCHANGED),
        "corpora": list(corpora),
        "stages": list(stages),
        "failed": failures,
        "seconds": round(seconds, 2),
    }


def _stage(outlook: "Outlook") -> Summary:
    change = None if outlook.change is None else asdict(outlook.change)
    trained = "before" if outlook.trained else "now" if outlook.due else None
    return {
        **{name: getattr(outlook, name) for name in ("stage", "model", "release", "due", "due_reason", "since")},
        "change": change,
        "trained": trained,
    }


def markdown(summary: Summary) -> str:
    """Return the summary as Markdown."""
    lines = [f"**{summary['outcome']}** after {summary['seconds']:.0f} s", ""]
    lines += [_line(cells) for cells in (("step", "outcome", "reason"), ("---",) * 3, *table_rows(summary))]
    return "\n".join(lines) + "\n"


def table_rows(summary: Summary) -> list[tuple[str, str, str]]:
    """Return step, outcome and reason of each corpus and stage, in words."""
    return [_corpus_row(corpus) for corpus in summary["corpora"]] + [_stage_row(stage) for stage in summary["stages"]]


def _corpus_row(corpus: Summary) -> tuple[str, str, str]:
    if corpus["error"]:
        return f"ingest {corpus['corpus']}", FAILED, corpus["error"]
    outcome = f"release {corpus['release']}" if corpus["release_is_new"] else "nothing new"
    return f"ingest {corpus['corpus']}", outcome, f"{corpus['new_files']} new files of {corpus['files']}"


def _stage_row(stage: Summary) -> tuple[str, str, str]:
    if stage["outcome"] == FAILED:
        return stage["stage"], FAILED, stage["reason"]
    champion = f"champion {stage['champion'] or 'none'}"
    if stage["outcome"] == UNCHANGED:
        return stage["stage"], f"{UNCHANGED}, {champion}", stage["reason"]
    trained = f"version {stage['version']}" + (" (trained before)" if stage["trained"] == "before" else "")
    return (
        stage["stage"],
        f"{trained} {stage['outcome']}, {champion}",
        f"{stage['reason']}; trained because of {stage['due_reason']}",
    )


def _line(cells: Sequence[str]) -> str:
    # a bar or a line break inside a cell would end it
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

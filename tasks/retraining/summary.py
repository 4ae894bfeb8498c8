"""Outcome of each step of a retraining, ready for JSON; tasks/retraining/rows.py turns it into text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from schemas.addresses import without_password
from schemas.config.retraining import StageName
from schemas.errors import HeterodubError
from tasks.promotion.evidence import REFUSED
from tasks.promotion.summaries import NO_CHAMPION

from .decide import Outlook
from .rows import FAILED, UNCHANGED, Summary

_NOTABLE: Final = (FAILED, "promoted", REFUSED, "kept", NO_CHAMPION, UNCHANGED)
"""Outcomes of a stage; that of the whole is the first of these that any stage has."""


def ingested(corpus: str, summary: Mapping[str, Any]) -> Summary:
    """Return the entry of a corpus that was ingested. summary: of the ingest."""
    kept = {name: summary[name] for name in ("files", "new_files", "clips", "release", "release_is_new")}
    return {"corpus": without_password(corpus), **kept, "error": None}


def not_ingested(corpus: str, error: HeterodubError) -> Summary:
    """Return the entry of a corpus that could not be ingested."""
    return {"corpus": without_password(corpus), "release": None, "release_is_new": False, "error": str(error)}


def unchanged(outlook: Outlook) -> Summary:
    """Return the entry of a stage that is not due."""
    return _stage(outlook) | {"outcome": UNCHANGED, "reason": outlook.why, "champion": outlook.champion}


def retrained(outlook: Outlook, version: int, promotion: Mapping[str, Any]) -> Summary:
    """Return the entry of a stage that was trained and evaluated. promotion: its summary."""
    outcome = {"outcome": promotion["outcome"], "reason": promotion["why"], "champion": promotion["champion"]}
    return _stage(outlook) | {"version": version, "evidence": promotion["run"]} | outcome


def failed(stage: StageName, error: HeterodubError) -> Summary:
    """Return the entry of a stage of which a step failed."""
    return {"stage": stage, "outcome": FAILED, "reason": str(error)}


def summarise(corpora: Sequence[Summary], stages: Sequence[Summary], seconds: float) -> Summary:
    """Summarise all corpora and stages. If a corpus could not be ingested, no stage was retrained."""
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


def _stage(outlook: Outlook) -> Summary:
    change = None if outlook.change is None else asdict(outlook.change)
    trained = "before" if outlook.trained else "now" if outlook.due else None
    return {
        **{name: getattr(outlook, name) for name in ("stage", "model", "release", "due", "why", "since")},
        "change": change,
        "trained": trained,
    }

"""What a retraining tells of each step, ready for JSON; tasks/retraining/rows.py makes it readable."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from schemas.addresses import without_password
from schemas.config.retraining import StageName
from schemas.errors import HeterodubError
from tasks.promotion.evidence import REFUSED
from tasks.promotion.summaries import NO_CHAMPION

from .decide import Outlook
from .rows import FAILED, UNCHANGED, Told

_NOTABLE: Final = (FAILED, "promoted", REFUSED, "kept", NO_CHAMPION, UNCHANGED)
"""Outcomes of a stage; that of the whole is the first of these that any stage has."""


def ingested(corpus: str, summary: Mapping[str, Any]) -> Told:
    """A corpus that was ingested. summary: as an ingest ends."""
    kept = {name: summary[name] for name in ("files", "new_files", "clips", "release", "release_is_new")}
    return {"corpus": without_password(corpus), **kept, "error": None}


def not_ingested(corpus: str, error: HeterodubError) -> Told:
    """A corpus that could not be."""
    return {"corpus": without_password(corpus), "release": None, "release_is_new": False, "error": str(error)}


def left_alone(outlook: Outlook) -> Told:
    """A stage that is not due."""
    return _stage(outlook) | {"outcome": UNCHANGED, "reason": outlook.why, "champion": outlook.champion}


def renewed(outlook: Outlook, version: int, promotion: Mapping[str, Any]) -> Told:
    """A stage that was trained and judged. promotion: as a promotion ends."""
    told = {"outcome": promotion["outcome"], "reason": promotion["why"], "champion": promotion["champion"]}
    return _stage(outlook) | {"version": version, "evidence": promotion["run"]} | told


def broken(stage: StageName, error: HeterodubError) -> Told:
    """A stage of which a step failed."""
    return {"stage": stage, "outcome": FAILED, "reason": str(error)}


def summarise(corpora: Sequence[Told], stages: Sequence[Told], seconds: float) -> Told:
    """The whole. Where a corpus could not be ingested, no stage was looked at."""
    failed = [f"{one['corpus']}: {one['error']}" for one in corpora if one["error"]]
    failed += [f"{one['stage']}: {one['reason']}" for one in stages if one["outcome"] == FAILED]
    found = {one["outcome"] for one in stages} | ({FAILED} if failed else set())
    return {
        "outcome": next((outcome for outcome in _NOTABLE if outcome in found), UNCHANGED),
        "corpora": list(corpora),
        "stages": list(stages),
        "failed": failed,
        "seconds": round(seconds, 2),
    }


def _stage(outlook: Outlook) -> Told:
    change = None if outlook.change is None else asdict(outlook.change)
    trained = "before" if outlook.trained else "now" if outlook.due else None
    return {
        **{name: getattr(outlook, name) for name in ("stage", "model", "release", "due", "why", "since")},
        "change": change,
        "trained": trained,
    }

"""Endings of a run of a flow. The same words everywhere: `metrics`, `status`, pages, Prefect, exit codes.

* done: all that was asked.
* partial: some of it; what could not be done is named. Exit code 1, so that callers notice.
* dry_run: nothing, as asked.
* stopped: not to its end, since somebody stopped it: Ctrl-C, a cancellation.
* failed: nothing that was asked, or not to its end.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

RunEnding = Literal["done", "partial", "dry_run", "stopped", "failed"]

ENDINGS: Final[tuple[RunEnding, ...]] = get_args(RunEnding)


def ending_of_jobs(done: int, left: int) -> RunEnding:
    """Return the ending of a run over many things of which `left` could not be done."""
    return "done" if not left else "partial" if done else "failed"


def ending_of(summary: object) -> RunEnding:
    """Return the ending that a run's summary names under `state`; done where it names none."""
    named = summary.get("state") if isinstance(summary, Mapping) else None
    return next((ending for ending in ENDINGS if ending == named), "done")


def ending_by(error: BaseException) -> RunEnding:
    """Return the ending of what an exception ended: Ctrl-C and cancellations are no errors of Python's."""
    return "failed" if isinstance(error, Exception) else "stopped"


def with_ending(summary: Mapping[str, Any], ending: RunEnding) -> dict[str, Any]:
    """A run's summary that names its ending."""
    return {**summary, "state": ending}

"""Prefect states for endings that are neither plain success nor an exception."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec

from prefect.states import Completed

from heterodub.schemas.endings import RunEnding, ending_of

P = ParamSpec("P")

_NAMES: Final[dict[RunEnding, str]] = {"partial": "Partial", "dry_run": "Dry run"}


def shown_by_prefect(work: Callable[P, dict[str, Any]]) -> Callable[P, dict[str, Any]]:
    """Make the flow run end in a state named after the ending that its summary names: Partial, Dry run.

    Both are of type COMPLETED, for the run did what it could; automations go by the name. The flow's caller gets
    the summary.
    """

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        summary = work(*args, **kwargs)
        name = _NAMES.get(ending_of(summary))
        return summary if name is None else Completed(name=name, message=name.lower(), data=summary)

    return run

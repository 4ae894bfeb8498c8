"""Events of ours on Prefect's stream, for automations. Told where the thing is done; outside of a run nobody listens.

docs/operations.md lists them with what they carry.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event

from schemas.addresses import without_password
from schemas.config.settings import Settings
from schemas.errors import AuditFailedError
from tasks.releases.publishing import PublishResult

if TYPE_CHECKING:
    from tasks.promotion.gate import Comparison

Event = Literal[
    "heterodub.release.published", "heterodub.model.promoted", "heterodub.model.kept", "heterodub.audit.failed"
]

_LONGEST: Final = 2000
"""Letters of a reason; a failed audit may name thousands of rows."""


@contextmanager
def audited(settings: Settings) -> Iterator[None]:
    """Tell of an audit that fails inside the block."""
    try:
        yield
    except AuditFailedError as error:
        workspace = without_password(settings.workspace)
        _tell("heterodub.audit.failed", f"workspace.{workspace}", workspace=workspace, why=str(error))
        raise


def tell_published(settings: Settings, published: PublishResult) -> None:
    """Tell of a release, if it is a new one."""
    if published.is_new and published.release_id is not None:
        told = {"release": published.release_id, "workspace": without_password(settings.workspace)}
        _tell("heterodub.release.published", f"release.{published.release_id}", **told, notes=list(published.notes))


def tell_promoted(comparison: "Comparison", run: str, why: str) -> None:
    """Tell of a challenger that is the champion now. run: the MLflow run with the evidence."""
    _tell("heterodub.model.promoted", f"model.{comparison.judge.model}", **_comparison(comparison, run, why))


def tell_kept(comparison: "Comparison", run: str, why: str) -> None:
    """Tell of a challenger that was kept out."""
    _tell("heterodub.model.kept", f"model.{comparison.judge.model}", **_comparison(comparison, run, why))


def _comparison(comparison: "Comparison", run: str, why: str) -> dict[str, Any]:
    champion = comparison.champion.number if comparison.champion else None
    told = {
        "model": comparison.judge.model,
        "stage": comparison.judge.stage.value,
        "benchmark": comparison.benchmark.benchmark,
    }
    return told | {"challenger": comparison.challenger.number, "champion_before": champion, "run": run, "why": why}


def _tell(event: Event, resource: str, **payload: Any) -> None:
    if TaskRunContext.get() is None and FlowRunContext.get() is None:
        return
    short = {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in payload.items()}
    name = f"heterodub.{resource}"
    emit_event(event, resource={"prefect.resource.id": name, "prefect.resource.name": name}, payload=short)

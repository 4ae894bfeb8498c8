"""Events on Prefect's stream, for automations. Emitted where the work is done; outside of a run nothing is emitted.

docs/operations.md lists them with what they carry.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event

from heterodub.schemas.addresses import without_password
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import AuditFailedError
from heterodub.tasks.monitoring import lineage_events
from heterodub.tasks.monitoring.drift import CorpusDrift
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.publishing import PublishResult
from heterodub.tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from heterodub.tasks.promotion.gate import Comparison

Event = Literal[
    "heterodub.release.published",
    "heterodub.corpus.drifted",
    "heterodub.model.promoted",
    "heterodub.model.kept",
    "heterodub.audit.failed",
]

_LONGEST: Final = 2000
"""Letters of a reason; a failed audit may name thousands of rows."""


@contextmanager
def audited(settings: Settings) -> Iterator[None]:
    """Emit an event if an audit fails inside the block."""
    try:
        yield
    except AuditFailedError as error:
        workspace = without_password(settings.workspace)
        _emit("heterodub.audit.failed", f"workspace.{workspace}", workspace=workspace, reason=str(error))
        raise


def emit_published(settings: Settings, published: PublishResult) -> None:
    """Emit an event for a release, if it is new, and its lineage."""
    if published.is_new and published.release_id is not None:
        payload = {"release": published.release_id, "workspace": without_password(settings.workspace)}
        _emit("heterodub.release.published", f"release.{published.release_id}", **payload, notes=list(published.notes))
        if lineage_events.is_wanted():
            ws = Workspace.open(settings.workspace)
            lineage_events.release_published(ws.root, releases.find(ws, published.release_id))


def emit_drifted(settings: Settings, drifts: Sequence[CorpusDrift]) -> None:
    """Emit an event for each corpus that drifted beyond its limit."""
    workspace = without_password(settings.workspace)
    for drift in drifts:
        if drift.beyond:
            signals = {shift.signal: shift.distance for shift in drift.beyond}
            payload = {"corpus": drift.corpus, "workspace": workspace, "limit": drift.limit, "signals": signals}
            _emit("heterodub.corpus.drifted", f"corpus.{drift.corpus}", **payload, reason=drift.warning())


def emit_promoted(comparison: "Comparison", run: str, reason: str) -> None:
    """Emit an event for a challenger that became the champion. run: the MLflow run with the evidence."""
    _emit("heterodub.model.promoted", f"model.{comparison.evaluator.model}", **_comparison(comparison, run, reason))


def emit_kept(comparison: "Comparison", run: str, reason: str) -> None:
    """Emit an event for a challenger that was not promoted."""
    _emit("heterodub.model.kept", f"model.{comparison.evaluator.model}", **_comparison(comparison, run, reason))


def _comparison(comparison: "Comparison", run: str, reason: str) -> dict[str, Any]:
    champion = comparison.champion.number if comparison.champion else None
    payload = {
        "model": comparison.evaluator.model,
        "stage": comparison.evaluator.stage.value,
        "benchmark": comparison.benchmark.benchmark,
    }
    return payload | {
        "challenger": comparison.challenger.number,
        "champion_before": champion,
        "run": run,
        "reason": reason,
    }


def _emit(event: Event, resource: str, **payload: Any) -> None:
    if TaskRunContext.get() is None and FlowRunContext.get() is None:
        return
    short = {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in payload.items()}
    name = f"heterodub.{resource}"
    emit_event(event, resource={"prefect.resource.id": name, "prefect.resource.name": name}, payload=short)

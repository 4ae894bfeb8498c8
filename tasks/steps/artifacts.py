"""Tables in the Prefect UI: audit, routes, drift. Outside of a Prefect run nothing is written."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefect.artifacts import create_table_artifact
from prefect.context import TaskRunContext

from heterodub.schemas.wording import counted
from heterodub.tasks.quality.drift import CorpusDrift

if TYPE_CHECKING:
    from heterodub.tasks.releases.audit.audit import AuditResult

_EXAMPLES = 3


def show_audit(result: "AuditResult") -> None:
    """Show every table with its rows and expectations, then each failure with example rows."""
    checked = Counter(check.table for check in result.checks)
    failed = Counter(check.table for check in result.failures)
    rows: list[dict[str, Any]] = [
        {"table": table, "rows": count, "expectations": checked[table], "failed": failed[table], "which": ""}
        for table, count in result.rows.items()
    ]
    rows += [
        {
            "table": check.table,
            "rows": check.error or f"{check.failed_count} rows fail",
            "expectations": check.name,
            "failed": 1,
            "which": ", ".join(check.examples[:_EXAMPLES]),
        }
        for check in result.failures
    ]
    _show("audit", rows, "all met" if result.passed else f"{len(result.failures)} failed: nothing is published")


def show_routes(summary: dict[str, Any]) -> None:
    """Show the number of clips of each route."""
    clips = summary["clips"]
    counts = {"both stages": summary["both"]}
    counts |= {
        f"{stage} alone": summary[name] - summary["both"]
        for stage, name in (("stage 1", "stage1"), ("stage 2", "stage2"))
    }
    counts["neither"] = summary["rejected"]
    rows = [
        {"goes to": name, "clips": count, "share": f"{count / max(clips, 1):.0%}"} for name, count in counts.items()
    ]
    _show("ingest-routes", rows, counted(clips, "clip"))


def show_drift(drifts: Sequence[CorpusDrift]) -> None:
    """Show each corpus that has new clips, with the signals that drifted beyond the limit."""
    rows: list[dict[str, Any]] = [
        {
            "corpus": drift.corpus,
            "new clips": drift.clips,
            "against": {"corpus": "its own clips", "release": "the whole release"}.get(
                drift.against or "", "nothing yet"
            ),
            "limit": drift.limit,
            "beyond it": ", ".join(f"{shift.signal} {shift.distance:.2f}" for shift in drift.beyond) or "nothing",
        }
        for drift in drifts
    ]
    _show("ingest-drift", rows or [{}], "what came in, against the last release")


def _show(key: str, rows: list[dict[str, Any]], description: str) -> None:
    if TaskRunContext.get() is not None:
        create_table_artifact(key=key, table=rows, description=description)

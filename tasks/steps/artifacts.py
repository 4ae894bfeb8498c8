"""What a run found, as tables in the Prefect UI; nothing where no run of Prefect's is under way."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_table_artifact
from prefect.context import TaskRunContext

from schemas.wording import counted
from tasks.quality.drift import CorpusDrift
from tasks.releases.audit.audit import AuditResult

_EXAMPLES = 3


def show_audit(result: AuditResult) -> None:
    """Every table with its rows and expectations, then what failed and for which rows."""
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
    """Clips of the workspace by where they go."""
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
    """Each corpus that clips came into, with what drifted beyond its limit."""
    rows: list[dict[str, Any]] = [
        {
            "corpus": drift.corpus,
            "new clips": drift.clips,
            "against": {"corpus": "its own clips", "release": "the whole release"}.get(
                drift.against or "", "nothing yet"
            ),
            "limit": drift.limit,
            "beyond it": ", ".join(f"{one.signal} {one.distance:.2f}" for one in drift.beyond) or "nothing",
        }
        for drift in drifts
    ]
    _show("ingest-drift", rows or [{}], "what came in, against the last release")


def _show(key: str, rows: list[dict[str, Any]], description: str) -> None:
    if TaskRunContext.get() is not None:
        create_table_artifact(key=key, table=rows, description=description)

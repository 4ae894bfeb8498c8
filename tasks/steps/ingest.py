"""The steps of an ingest as Prefect tasks. Each is thin: the work is done by the plain parts it calls.

Tables in the Prefect UI (audit, routes, drift) are written in a Prefect run only.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import counted
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import FileState
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion import catalog, deduplication, driver
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.plan import IngestPlan, plan_run
from heterodub.tasks.ingestion.relabelling import relabel
from heterodub.tasks.ingestion.summary import summarise
from heterodub.tasks.ingestion.tally import Tally, count_states
from heterodub.tasks.monitoring.drift import STEP, CorpusDrift, find_drift
from heterodub.tasks.monitoring.progress import current_progress
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.preflight.data import check_ingest, mapped_columns
from heterodub.tasks.releases.lines import line_in_use, line_of
from heterodub.tasks.releases.publishing import PublishResult, publish
from heterodub.tasks.sources.folder import gone
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.steps.artifacts import show_table
from heterodub.tasks.steps.events import audited, emit_drifted, emit_published
from heterodub.tasks.steps.progress import step_progress
from heterodub.tasks.stores import tombstones
from heterodub.tasks.stores.active_policy import policy_for_ingest
from heterodub.tasks.stores.batches import drop_leftovers
from heterodub.tasks.stores.standby import lines_beside
from heterodub.tasks.stores.workspace import Workspace

if TYPE_CHECKING:
    from heterodub.tasks.releases.audit.audit import AuditResult

_EXAMPLES: Final = 3


def _may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Return True if a retry can help: a listing that failed, not a name that was mistyped."""
    return isinstance(getattr(state.data, "__cause__", None), OSError)


check_inputs = task(
    name="check_inputs", retries=2, retry_delay_seconds=5, retry_condition_fn=_may_pass, cache_policy=NO_CACHE
)(check_ingest)
"""The check of the command line, repeated for runs that no command line started."""


choose_policy = task(name="choose_policy", cache_policy=NO_CACHE)(policy_for_ingest)
"""Policy by which new files are routed."""


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=_may_pass, cache_policy=NO_CACHE)
@as_step("find", lambda plan: Counts(files=plan.files, facts={"new_files": len(plan.fresh)}))
def find_files(
    workspace: Workspace,
    source: str,
    corpus: str,
    settings: Settings,
    retry_quarantined: bool,
    columns: str | None = None,
) -> IngestPlan:
    """List the source, without what was taken down, and compare it with the catalog. Retried, since listings of remote
    stores fail now and then.

    Raises: SourceError - the source is not there. WorkspaceError - the workspace cannot be used.
    """
    line, barred = line_of(workspace, settings), tombstones.standing(workspace)
    known = partial(catalog.catalog_batches, line)
    origins = settings.limits.web_origins
    listed = source_files(source, corpus, origins, mapped_columns(columns))
    kept_out: set[str] = set()

    def allowed() -> Iterator[RawFile]:
        for raw in listed:
            if barred.bars(raw.speaker, raw.corpus, raw.licence):
                kept_out.add(raw.uri)
            else:
                yield raw

    is_gone = partial(gone, origins=origins)
    plan = plan_run(allowed(), known, settings.extractor, retry_quarantined, is_gone)
    return replace(plan, taken_down=len(kept_out))


def _counted(tally: Tally) -> Counts:
    """Return the counts that the run log keeps of the work on files."""
    return Counts(
        tally.files_done, tally.routes.total(), tally.bytes_done, tally.media_s, tally.states[FileState.QUARANTINED],
        {"routes": dict(tally.routes), "states": dict(tally.states), "reasons": dict(tally.reasons)},
    )  # fmt: skip


@task(cache_policy=NO_CACHE)
@as_step("analyse", _counted)
def work_on_files(workspace: Workspace, plan: IngestPlan, settings: Settings, policy: Policy) -> Tally:
    """Identify and analyse the new files over Dask, and store every outcome.

    Not retried as a whole: what is stored is stored, lost workers are retried inside, and the next run continues.

    Raises: ClusterError - no cluster. WorkspaceError - the store cannot be written. WeightsMissingError.
    """
    workspace, listed = line_of(workspace, settings), plan.labelled.among
    _relabel_lines(workspace, plan.fresh, settings)
    unread = relabel(workspace, plan.relabelled, settings, listed)
    if not plan.fresh:
        deduplication.merge_twins(workspace, settings, catalog.twin_rows(workspace))
        drop_leftovers(workspace)
        return count_states(Tally(), unread)
    from heterodub.tasks.releases.audit.checks import load_ahead

    run, limits, progress = settings.run, settings.limits, step_progress()
    workspace.sweep_scratch()
    with open_client(run.dask, run.workers, workspace.scratch(), limits.attempts) as client:
        load_ahead()
        tally = driver.work_through(client, workspace, plan.fresh, settings, policy, progress, listed)
    return count_states(tally, unread)


def _relabel_lines(line: Workspace, files: Sequence[RawFile], settings: Settings) -> None:
    """Store new labels of files that are as every other line knows them there, before any of them is read."""
    for other in lines_beside(line) if files else ():
        if extractor := other.line or line_in_use(other):
            known = partial(catalog.catalog_batches, other)
            relabelled = plan_run(files, known, extractor, retry_quarantined=False).relabelled
            relabel(other, relabelled, settings, extractor=extractor)


@task(cache_policy=NO_CACHE)
@as_step(STEP, lambda drifts: Counts(clips=sum(drift.clips for drift in drifts)))
def check_drift(workspace: Workspace, settings: Settings) -> tuple[CorpusDrift, ...]:
    """Compare new clips with the last release; a corpus that drifts causes a warning and an event."""
    drifts = find_drift(workspace, settings)
    show_drift(drifts)
    emit_drifted(settings, drifts)
    return drifts


@task(cache_policy=NO_CACHE)
@as_step("publish", lambda published: Counts(facts={"release": published.release_id, "is_new": published.is_new}))
def publish_release(workspace: Workspace, settings: Settings, policy: Policy, switch: bool = False) -> PublishResult:
    """Assign splits to speakers, audit the new versions, and publish a release if anything changed. switch: as
    `publish` says.

    Raises: AuditFailedError - a store broke its expectations; nothing is published.
    """
    current_progress().phase("publish", 1)
    with audited(settings):
        published = publish(workspace, settings, policy, show_audit, "now" if switch else "when_whole")
    emit_published(settings, published)
    current_progress().advance()
    return published


@task(cache_policy=NO_CACHE)
def show_summary(
    workspace: Workspace,
    plan: IngestPlan,
    tally: Tally,
    drifts: tuple[CorpusDrift, ...],
    published: PublishResult,
    policy: Policy,
    seconds: float,
) -> dict[str, Any]:
    """Summarise the run, and show the summary in the Prefect UI."""
    summary = summarise(workspace, plan, tally, drifts, published, policy, seconds)
    show_routes(summary)
    show_table("ingest-summary", [{"what": k, "value": str(v)} for k, v in summary.items() if k != "reasons"])
    show_table("ingest-reasons", [{"reason": k, "count": v} for k, v in summary["reasons"].items()] or [{}])
    return summary


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
        show_table(key, rows, description=description)

"""Rendering of the status of a workspace on a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from humanize import naturalsize

from heterodub.flows.cli.render.tables import TableColumn, cell, console, pairs, show
from heterodub.schemas.display import SHORT_ID, counted, duration, readable_path

if TYPE_CHECKING:
    from heterodub.tasks.inspect.run_details import RunDetails
    from heterodub.tasks.inspect.status import Status
    from heterodub.tasks.monitoring.runs import RunRecord
    from heterodub.tasks.releases.releases import Release

_RELEASES_SHOWN: Final = 5

_RUN_STYLE: Final = {
    "running": "cyan",
    "done": "green",
    "partial": "yellow",
    "dry_run": "dim",
    "stopped": "yellow",
    "failed": "red",
    "died": "bold red",
}


def show_status(status: "Status") -> None:
    """Print `status` on one screen."""
    pairs(
        [
            ("workspace", f"{readable_path(status.workspace)} (layout {status.layout_version})"),
            ("heterodub", status.heterodub),
            ("extractor", _counted(status.extractor, status.extractors, "file")),
            (
                "policy",
                f"{status.policy.name} {status.policy.version}, "
                + _counted(status.policy.hash, status.policies, "clip"),
            ),
            ("files", _counts(status.files)),
            ("clips", _counts(status.clips)),
        ]
    )
    for line in status.lines:
        console().print(cell(line.words(line.line == status.extractor)), soft_wrap=True)
    console().print()
    numbers = [TableColumn(name, right=True) for name in ("rows", "files", "size", "version")]
    sizes = [(facts.name, facts.rows, facts.files, naturalsize(facts.bytes), facts.version) for facts in status.tables]
    show([TableColumn("table"), *numbers], sizes)
    console().print()
    _releases(status.releases)
    console().print()
    _runs(status.runs)


def show_run(details: "RunDetails") -> None:
    """Print a run with its steps, the runs that it started, and their runs in MLflow."""
    run = details.runs[0]
    pairs([("run", run.run), ("heterodub", run.code), ("by", run.who)])
    console().print()
    _runs(details.runs)
    console().print()
    columns = [TableColumn("flow"), TableColumn("step"), TableColumn("corpus"), TableColumn("state")]
    numbers = [TableColumn(name, right=True) for name in ("took", "files", "clips", "errors")]
    show(
        [*columns, *numbers, TableColumn("error")],
        [
            (
                record.flow,
                step.name,
                step.corpus,
                step.state,
                None if step.seconds is None else duration(step.seconds),
                *(step.files, step.clips, step.errors, step.error),
            )
            for record in details.runs
            for step in record.steps
        ],
    )
    if details.logged:
        console().print()
        logged = [(one.run, one.experiment, one.name, one.status.lower()) for one in details.logged]
        show([TableColumn(name) for name in ("MLflow run", "experiment", "name", "state")], logged)


def _counts(counts: Mapping[str, int]) -> str:
    return f"{sum(counts.values())}: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def _counted(current: str, counts: Mapping[str, int], what: str) -> str:
    """Return the value in force with its count, and the counts of other values."""
    others = [f"{counted(count, what)} by {name}" for name, count in counts.items() if name != current]
    return f"{current} ({counted(counts.get(current, 0), what)})" + ("; " + ", ".join(others) if others else "")


def _releases(releases: Sequence["Release"]) -> None:
    out = console()
    if not releases:
        out.print("no release yet: `heterodub ingest` publishes one")
        return
    headings = ("release", "no.", "published (UTC)", "stage 1 train/val/test", "stage 2 train/val/test", "code")
    rows = [
        (
            release.release_id + ("*" if release.takedowns else ""),
            release.sequence,
            release.created_utc[:16].replace("T", " "),
            *(_splits(release.counts.get(stage, {})) for stage in ("stage1", "stage2")),
            release.code,
        )
        for release in releases[:_RELEASES_SHOWN]
    ]
    show([TableColumn(name, optional=name == "code") for name in headings], rows)
    if len(releases) > _RELEASES_SHOWN:
        out.print(f"and {len(releases) - _RELEASES_SHOWN} older ones; --json shows all")
    if any(release.takedowns for release in releases[:_RELEASES_SHOWN]):
        out.print("* clips of it were taken down since; its other clips are as they were")
    for note in releases[0].notes:
        out.print(cell(f"note: {note}"), soft_wrap=True)


def _splits(splits: Mapping[str, Any]) -> str:
    return " / ".join(str(splits.get(split, {}).get("clips", 0)) for split in ("train", "val", "test"))


def _runs(runs: Sequence["RunRecord"]) -> None:
    if not runs:
        console().print("no run of a flow is on record here")
        return
    columns = [TableColumn("run", optional=True), TableColumn("flow"), TableColumn("state")]
    columns += [TableColumn("started (UTC)"), TableColumn("took", right=True), TableColumn("what", 24, folds=True)]
    rows = [
        [
            cell(run.run[:SHORT_ID], "dim"),
            run.flow if run.parent is None else f"  {run.flow}",
            cell(run.state.replace("_", " "), _RUN_STYLE[run.state]),
            run.started_utc[:16].replace("T", " "),
            None if run.seconds is None else duration(run.seconds),
            _what(run),
            cell(run.who, "dim"),
        ]
        for run in runs
    ]
    show([*columns, TableColumn("by", 8, optional=True)], rows)


def _what(run: "RunRecord") -> str:
    """Return the present step of a run, the cause of its failure, or its result."""
    if run.state == "running":
        return f"at {run.step}" if run.step else "starting"
    if run.state == "died":
        last = run.step or (run.steps[-1].name if run.steps else "")
        return f"killed at {last}" if last else "killed"
    if run.state == "stopped":
        at = run.step or next((step.name for step in reversed(run.steps) if step.state == "stopped"), "")
        return f"by a person or a signal, at {at}" if at else "by a person or a signal"
    if run.state == "failed" and run.error:
        at = next((step.name for step in reversed(run.steps) if step.state == "failed"), "")
        return f"{run.error} at {at}" if at else run.error
    return ", ".join(_did(run))


def _did(run: "RunRecord") -> Iterator[str]:
    most = [step for step in run.steps if step.corpus is None]
    for name in ("files", "clips", "errors"):
        if count := max((getattr(step, name) or 0 for step in most), default=0):
            yield counted(count, name.removesuffix("s"))
    facts: dict[str, Any] = {}
    for step in most:
        facts |= step.facts
    if outcome := facts.get("outcome"):
        yield {"keep": "not promoted", "promote": "promoted"}.get(str(outcome), str(outcome))
    if facts.get("model"):
        yield f"{facts['model']} {facts['version']}"
    elif facts.get("release"):
        yield f"{facts['release']}{' (new)' if facts.get('is_new') else ''}"

"""Read-only commands: status, list, explain, doctor, report. They start no Prefect.

Everything heavy is imported inside the commands, so that `--help` and the small answers come at once.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from heterodub.flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, print_result, write_csv, write_json
from heterodub.schemas.display import counted

if TYPE_CHECKING:
    from heterodub.schemas.config.settings import Settings

RouteOption = Annotated[
    Literal["both", "stage1", "stage2", "rejected"] | None, typer.Option(help="Only clips that went this way.")
]

_TABLE_ROWS = 200
"""Rows of a table without --limit; csv and json are cut only by --limit."""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("status")(status)
    app.command("list")(list_rows)
    app.command("explain")(explain)
    app.command("doctor")(doctor)
    app.command("report")(report)


def status(
    run: Annotated[
        str | None,
        typer.Argument(help="Only this run: its id in Prefect and here (or how it begins), or that of its MLflow run."),
    ] = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where the workspace stands: files, clips, tables, releases, runs; or all about one run."""
    if run is not None:
        _show_run(run, workspace, config, as_json)
        return
    from heterodub.flows.cli.render.status import show_status
    from heterodub.tasks.inspect.status import status as read_status

    answer = read_status(_settings(workspace, config))
    print_result(asdict(answer), as_json, lambda _: show_status(answer))


def _show_run(name: str, workspace: str | None, config: Path | None, as_json: bool) -> None:
    from heterodub.flows.cli.environment import configure_environment

    configure_environment()
    from heterodub.flows.cli.render.status import show_run
    from heterodub.tasks.inspect.run_details import run_details

    details = run_details(_settings(workspace, config), name)
    print_result(asdict(details), as_json, lambda _: show_run(details))


def list_rows(
    files: Annotated[bool, typer.Option("--files", help="List files (the default).")] = False,
    clips: Annotated[bool, typer.Option("--clips", help="List clips.")] = False,
    state: Annotated[
        str | None,
        typer.Option(help="Files: measured, rejected, duplicate, quarantined. Clips: admitted, rejected."),
    ] = None,
    route: RouteOption = None,
    reason: Annotated[str | None, typer.Option(help="Only what was refused for this reason.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    form: Annotated[
        Literal["table", "csv", "json"],
        typer.Option(
            "--format", help="csv and json hold every column; csv is for spreadsheets, json has names to the letter."
        ),
    ] = "table",
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """List files or clips, with what became of them and why."""
    from heterodub.flows.cli.render.inspect import show_clips, show_files
    from heterodub.tasks.inspect.list import CLIP_COLUMNS, FILE_COLUMNS, ListQuery, list_clips, list_files
    from heterodub.tasks.inspect.routes import Route
    from heterodub.tasks.stores.workspace import Workspace

    if files and clips:
        raise typer.BadParameter("choose --files or --clips")
    row_limit = limit or (None if as_json or form != "table" else _TABLE_ROWS)
    query = ListQuery(state, None if route is None else Route(route), reason, row_limit)
    list_matching = list_clips if clips else list_files
    listed = list_matching(Workspace.open(_settings(workspace, config).workspace), query)
    if as_json or form == "json":
        write_json(listed.rows)
    elif form == "csv":
        write_csv(CLIP_COLUMNS if clips else FILE_COLUMNS, listed.rows)
    else:
        (show_clips if clips else show_files)(listed.rows)
        _print_total(len(listed.rows), listed.total)


def explain(
    name: Annotated[str, typer.Argument(help="A file (path, or the end of one), or the start of an id.")],
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain why a file or a clip was admitted or refused: every number, every limit."""
    from heterodub.flows.cli.render.inspect import show_clip, show_file
    from heterodub.tasks.inspect.explain import FileAnswer, explain_name

    answer = explain_name(_settings(workspace, config), name)
    if as_json:
        write_json({"kind": "file" if isinstance(answer, FileAnswer) else "clip", **asdict(answer)})
    elif isinstance(answer, FileAnswer):
        show_file(answer)
    else:
        show_clip(answer)


def doctor(
    audit: Annotated[
        bool, typer.Option("--audit", help="Also look into every stored file, which reads all of them once.")
    ] = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the installation and the workspace; each problem comes with what to do. Exit code 1 if there is one."""
    from heterodub.flows.cli.render.inspect import show_findings
    from heterodub.tasks.inspect.doctor import diagnose
    from heterodub.tasks.inspect.findings import Health

    settings = _settings(workspace, config)
    findings = diagnose(settings)
    if audit:
        from heterodub.tasks.inspect.check_audit import check_audit

        findings += check_audit(settings)
    problems = [finding for finding in findings if finding.health is Health.PROBLEM]
    if as_json:
        write_json({"healthy": not problems, "findings": [asdict(finding) for finding in findings]})
    else:
        show_findings(findings)
        sys.stderr.write("all is well\n" if not problems else f"problems: {len(problems)}\n")
    if problems:
        raise typer.Exit(1)


def report(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Page to write, or to write anew; else reports/ingest.html (trend, changes) of the workspace.",
        ),
    ] = None,
    clip: Annotated[list[str] | None, typer.Option(help="Show this clip in detail too (start of its id).")] = None,
    trend: Annotated[
        bool, typer.Option("--trend", help="About runs instead: speed, refusals, and how corpora drift.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            help="Policy file or release: show what would move by it, or what moved since; newest: since last."
        ),
    ] = None,
    media: Annotated[
        Literal["none", "some", "all"],
        typer.Option(help="Films of clips in the page: none, of those in detail (8 MB), of all (60 MB)."),
    ] = "some",
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML page about the ingest: what was kept, why, how it looks and sounds. Prints where it is."""
    from heterodub.flows.cli.render.inspect import show_changes
    from heterodub.tasks.inspect.report.write import write_changes, write_report, write_trend

    if against is not None and not against.strip():
        raise typer.BadParameter("--against is empty: name a policy file, a release, or newest")
    if trend and (clip or against):
        raise typer.BadParameter("--trend is about runs and shows no clips")
    if clip and against:
        raise typer.BadParameter("--against shows the clips that moved; --clip belongs to the page without it")
    settings = _settings(workspace, config)
    if against:
        summary = write_changes(settings, against, output, media)
    elif trend:
        summary = {"page": write_trend(settings, output)}
    else:
        summary = {"page": write_report(settings, tuple(clip or ()), output, media)}
    print_result(summary, as_json, show_changes)
    if show:
        _open_page(summary["page"])


def _open_page(page: str) -> None:
    """Open a page in the user's browser, or print to stderr why that cannot be."""
    import webbrowser

    if not Path(page).exists():
        sys.stderr.write("the page is not on this machine: fetch it to open it\n")
    elif not webbrowser.open(Path(page).absolute().as_uri()):
        sys.stderr.write("no browser is found here; BROWSER names one\n")


def _settings(workspace: str | None, config: Path | None) -> "Settings":
    from heterodub.schemas.config.settings import load_settings

    return load_settings(config, workspace=workspace)


def _print_total(count: int, total: int) -> None:
    """Print to stderr how many of the rows are shown."""
    more = "; --limit N or --format csv shows more" if count < total else ""
    sys.stderr.write(f"{count} of {counted(total, 'row')}{more}\n")

"""Commands of the group `speakers`: the people of a workspace, and corrections of them. They start no Prefect."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from heterodub.flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, print_result, write_csv, write_json

if TYPE_CHECKING:
    from heterodub.schemas.config.settings import Settings
    from heterodub.tasks.identity.correct import Corrected
    from heterodub.tasks.stores.workspace import Workspace

speakers = typer.Typer(no_args_is_help=True, help="People: who is seen and heard, found and corrected.")

PersonArgument = Annotated[str, typer.Argument(help="The person: an id or its start, a given name, or a stated one.")]
ReasonOption = Annotated[str, typer.Option(help="Why; stored with the correction.")]
ByOption = Annotated[str | None, typer.Option(help="Your name; else user and machine.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(speakers, name="speakers")


@speakers.command("list")
def list_people(
    doubts: Annotated[
        bool, typer.Option("--doubts", help="List the doubtful clips instead, with what is odd.")
    ] = False,
    corrections: Annotated[bool, typer.Option("--corrections", help="List the corrections instead.")] = False,
    form: Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="csv and json hold all.")] = "table",
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """List people: clips, files, corpora, minutes, stated names, doubtful clips."""
    if doubts and corrections:
        raise typer.BadParameter("choose --doubts or --corrections")
    from heterodub.flows.cli.render.speakers import show_corrections, show_doubts, show_people
    from heterodub.tasks.identity import listing
    from heterodub.tasks.identity.corrections import COLUMNS as CORRECTION_COLUMNS
    from heterodub.tasks.identity.corrections import correction_rows

    ws = _opened(workspace, config)[1]
    if corrections:
        rows, render = correction_rows(ws), show_corrections
    elif doubts:
        rows, render = listing.list_doubts(ws), show_doubts
    else:
        rows, render = listing.list_people(ws), show_people
    if as_json or form == "json":
        write_json(rows)
    elif form == "csv":
        write_csv(CORRECTION_COLUMNS if corrections else listing.DOUBT_COLUMNS if doubts else listing.COLUMNS, rows)
    else:
        render(rows)


@speakers.command("show")
def show(
    person: PersonArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Page to write; else reports/person-ID.html of the workspace.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips on it at most; doubtful ones first.")] = 60,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a page of a person: faces, and clips to watch and hear. Prints where it is."""
    from heterodub.tasks.inspect.report.person import write_person

    summary = write_person(_opened(workspace, config)[0], person, output, clips)
    print_result(summary, as_json, lambda one: print(one["page"]))


@speakers.command("merge")
def merge(
    person: PersonArgument,
    other: Annotated[str, typer.Argument(help="The person that it becomes part of.")],
    reason: ReasonOption,
    by: ByOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that two people are one."""
    from heterodub.tasks.identity import correct

    _show(correct.merge(_opened(workspace, config)[1], person, other, reason, _name(by)), as_json)


@speakers.command("split")
def split(
    person: PersonArgument,
    names: Annotated[list[str], typer.Argument(help="Clips, by the start of their ids, or files, by name.")],
    reason: ReasonOption,
    by: ByOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that some clips of a person are somebody else's, together."""
    from heterodub.tasks.identity import correct

    _show(correct.split(_opened(workspace, config)[1], person, names, reason, _name(by)), as_json)


@speakers.command("name")
def name(
    person: PersonArgument,
    name: Annotated[str | None, typer.Argument(help="The name; without one, it is taken back.")] = None,
    reason: ReasonOption = "named",
    by: ByOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a person a name."""
    from heterodub.tasks.identity import correct

    _show(correct.name_person(_opened(workspace, config)[1], person, name, reason, _name(by)), as_json)


@speakers.command("undo")
def undo(
    number: Annotated[int, typer.Argument(min=1, help="Number of the correction: `speakers list --corrections`.")],
    reason: ReasonOption = "taken back",
    by: ByOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a correction back."""
    from heterodub.tasks.identity import correct

    _show(correct.undo(_opened(workspace, config)[1], number, reason, _name(by)), as_json)


def _show(result: "Corrected", as_json: bool) -> None:
    from heterodub.flows.cli.render.speakers import show_corrected

    print_result(asdict(result), as_json, show_corrected)


def _name(by: str | None) -> str:
    from heterodub.tasks.tracking.ledger import current_user

    return by or current_user()


def _opened(workspace: str | None, config: Path | None) -> "tuple[Settings, Workspace]":
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.stores.workspace import Workspace

    settings = load_settings(config, workspace=workspace)
    return settings, Workspace.open(settings.workspace)

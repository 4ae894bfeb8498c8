"""Commands of the group `label`: what people say of clips, against the policy. They start no Prefect."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from heterodub.flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, print_result, write_csv, write_json
from heterodub.tasks.monitoring.streams import say

if TYPE_CHECKING:
    from heterodub.schemas.config.settings import Settings
    from heterodub.tasks.labelling.label_file import StoredLabels
    from heterodub.tasks.stores.workspace import Workspace

label = typer.Typer(no_args_is_help=True, help="People keep or refuse clips, against the policy, and so measure it.")

StageName = Literal["stage1", "stage2"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(label, name="label")


@label.command("add")
def add(
    clip: Annotated[str, typer.Argument(help="The clip, by the start of its id.")],
    stage: Annotated[StageName, typer.Option(help="Stage that is to have it, or not.")],
    reason: Annotated[str, typer.Option(help="Why; a reason code such as noisy counts for that reason's recall.")],
    by: Annotated[str, typer.Option(help="Your name.")],
    keep: Annotated[bool | None, typer.Option("--keep/--refuse", help="Whatever the policy says.")] = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep or refuse one clip for a stage."""
    if keep is None:
        raise typer.BadParameter("name one of --keep and --refuse")
    from heterodub.schemas.reasons import Stage
    from heterodub.tasks.labelling.label_file import add_label

    _show_stored(add_label(_opened(workspace, config)[1], clip, Stage(stage), keep, reason, by), as_json)


@label.command("import")
def import_table(
    table: Annotated[Path, typer.Argument(help="CSV with columns clip, stage, verdict (keep, refuse), reason, by.")],
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store a table of labels: all rows, or none if one is wrong."""
    from heterodub.tasks.labelling.label_file import import_labels

    _show_stored(import_labels(_opened(workspace, config)[1], table), as_json)


@label.command("list")
def list_labels(
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="csv can be edited and imported.")
    ] = "table",
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """List the standing labels, and whether the stored routes follow them."""
    from heterodub.flows.cli.render.label import show_labels
    from heterodub.tasks.labelling.listing import COLUMNS
    from heterodub.tasks.labelling.listing import list_labels as listed
    from heterodub.tasks.stores.active_policy import policy_in_force

    settings, ws = _opened(workspace, config)
    rows = listed(ws, policy_in_force(ws, settings))
    if as_json or form == "json":
        write_json(rows)
    elif form == "csv":
        write_csv(COLUMNS, rows)
    else:
        show_labels(rows)


@label.command("remove")
def remove(
    clip: Annotated[str, typer.Argument(help="The clip, by the start of its id.")],
    stage: Annotated[StageName | None, typer.Option(help="Only the label of this stage.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept in the table.")] = "removed",
    by: Annotated[str | None, typer.Option(help="Your name; else user and machine.")] = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a label back: the policy decides on the clip again."""
    from heterodub.schemas.display import visible
    from heterodub.schemas.reasons import Stage
    from heterodub.tasks.labelling.label_file import remove_labels
    from heterodub.tasks.tracking.ledger import current_user

    name = by or current_user()
    removed = remove_labels(_opened(workspace, config)[1], clip, Stage(stage) if stage else None, reason, name)
    rows = [visible(f"{one.clip_id} {one.stage}: {one.text}") for one in removed]
    print_result({"removed": rows}, as_json, lambda _: say("\n".join(f"removed: {row}" for row in rows)))


@label.command("draw")
def draw(
    clips: Annotated[int, typer.Argument(min=1, help="Number of clips to ask for.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for labels.html; else reports/ of the workspace.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other clips.")] = 0,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw clips at random, balanced over the policy's verdicts, and write a page to label them on; it shows none."""
    from heterodub.flows.cli.render.label import show_draw
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.labelling.page import write_label_page

    page = write_label_page(load_settings(config, workspace=workspace), clips, output, seed)
    print_result(asdict(page), as_json, show_draw)


@label.command("score")
def score(
    policy: Annotated[Path | None, typer.Option(help="Policy file to score; else the policy in force.")] = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a policy on what people said: precision and recall by stage and reason."""
    from heterodub.flows.cli.render.label import show_score
    from heterodub.tasks.labelling.score import score_policy
    from heterodub.tasks.stores.active_policy import chosen_policy

    settings, ws = _opened(workspace, config)
    result = score_policy(ws, chosen_policy(ws, settings, policy))
    print_result(asdict(result), as_json, lambda _: show_score(result))


def _show_stored(result: "StoredLabels", as_json: bool) -> None:
    from heterodub.schemas.display import counted

    def show(summary: Mapping[str, Any]) -> None:
        say(f"{counted(summary['stored'], 'label')} stored, {summary['unchanged']} there already", error=False)
        if summary["replaced"]:
            say(f"{summary['replaced']} of them replace another label")
        for clip, stage, reason in summary["unusable"]:
            say(f"warning: {clip} is not used by {stage} all the same: {reason}", error=True)

    print_result(asdict(result), as_json, show)


def _opened(workspace: str | None, config: Path | None) -> "tuple[Settings, Workspace]":
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.stores.workspace import Workspace

    settings = load_settings(config, workspace=workspace)
    return settings, Workspace.open(settings.workspace)

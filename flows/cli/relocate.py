"""The command that makes a moved workspace's models at home where it lies now."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, tell, text_of
from tasks.monitoring.streams import say


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("relocate")(relocate)


def relocate(
    forget: Annotated[
        Path | None, typer.Option(help="Workspace that this one is a copy of, if it is still there.")
    ] = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a workspace that was moved use its own runs and models again."""
    from schemas.config.settings import load_settings
    from tasks.stores.workspace import Workspace
    from tasks.tracking.address import place_of
    from tasks.tracking.relocation import relocate as run

    settings = load_settings(text_of(config), workspace=workspace)
    done = run(place_of(settings.tracking, Workspace.open(settings.workspace)), forget)
    tell(asdict(done), as_json, _show)


def _show(told: dict[str, Any]) -> None:
    if not told["forgotten"]:
        print("nothing to do: the runs and models are at home here")
    for old in told["forgotten"]:
        say(f"moved here from {old}")
    print(f"{told['addresses']} addresses rewritten, {told['models']} versions of models")
    for name in told["missing"]:
        say(f"warning: the files of {name} are not here")

"""Command `relocate`: rewrites the addresses of runs and models after a workspace was moved."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, print_result, text_of
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
    """Rewrite the addresses of runs and models of a workspace that was moved."""
    from schemas.config.settings import load_settings
    from tasks.stores.workspace import Workspace
    from tasks.tracking.address import place_of
    from tasks.tracking.relocation import relocate as run

    settings = load_settings(text_of(config), workspace=workspace)
    done = run(place_of(settings.tracking, Workspace.open(settings.workspace)), forget)
    print_result(asdict(done), as_json, _show)


def _show(result: dict[str, Any]) -> None:
    if not result["forgotten"]:
        print("nothing to do: the runs and models are at home here")
    for old in result["forgotten"]:
        say(f"moved here from {old}")
    print(f"{result['addresses']} addresses rewritten, {result['models']} versions of models")
    for name in result["missing"]:
        say(f"warning: the files of {name} are not here")

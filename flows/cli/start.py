"""Command `init`: a corpus file and a settings file for footage of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from heterodub.flows.cli.options import JsonOption, print_result, show_labelled


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of footage. It is only read.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the two files.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files of these names.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write corpus.toml and a commented heterodub.toml from a folder's look: media, a manifest, names of speakers."""
    from heterodub.tasks.sources.starter import write_starter

    print_result(write_starter(folder, output, force), as_json, show_labelled)

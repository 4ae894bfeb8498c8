"""Command `export`: a release in formats of others."""

from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from heterodub.flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, print_result

StageName = Literal["stage1", "stage2"]
SplitName = Literal["train", "val", "test"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export")(export)


def export(
    release: Annotated[str, typer.Argument(help="Id of the release, or the start of it; or newest.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the export.")],
    form: Annotated[
        Literal["webdataset", "hf", "croissant"],
        typer.Option("--format", help="WebDataset tars, Parquet for Hugging Face, or Parquet with Croissant metadata."),
    ],
    stage: Annotated[StageName | None, typer.Option(help="Only this stage.")] = None,
    split: Annotated[SplitName | None, typer.Option(help="Only this split.")] = None,
    media: Annotated[
        bool, typer.Option("--media", help="Copy the raw files, too; such an export can be ingested elsewhere.")
    ] = False,
    sound: Annotated[
        bool, typer.Option("--sound", help="Add each stage-1 clip's sound, read out of its raw file.")
    ] = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a release as a data set that other tools read: heterodub export newest --format hf -o FOLDER."""
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.releases.releases import named
    from heterodub.tasks.stores.workspace import Workspace

    settings = load_settings(config, workspace=workspace)
    opened = Workspace.open(settings.workspace)
    named(opened, None if release == "newest" else release)  # before torch is loaded, which takes seconds
    from heterodub.flows.cli.render.export import show_export
    from heterodub.tasks.exports.export import ExportRequest, export_release
    from heterodub.tasks.reading.workspace import WorkspaceReader

    stages, splits = (stage,) if stage else get_args(StageName), (split,) if split else get_args(SplitName)
    request = ExportRequest(form, output, stages, splits, media, sound)
    summary = export_release(WorkspaceReader(opened).release(release), request, settings.limits)
    print_result(summary, as_json, show_export)

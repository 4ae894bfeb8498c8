"""Commands `trace`, `takedown`, `relocate` and `migrate`: where footage went, where models lie, and in what layout."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from heterodub.flows.cli.environment import configure_environment, prepare, run_flow
from heterodub.flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, print_result, text_of

Kind = Literal["speaker", "corpus", "file", "licence"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("trace")(trace)
    app.command("takedown")(takedown)
    app.command("relocate")(relocate)
    app.command("migrate")(migrate)


def trace(
    name: Annotated[str, typer.Argument(help="A model (landmark-generator@champion), a speaker, or a file.")],
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the footage of a model, or the releases and models that used a file or a speaker."""
    configure_environment()
    from heterodub.flows.cli.render.lineage import show_footage, show_model
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.lineage.trace import ModelTrace
    from heterodub.tasks.lineage.trace import trace as trace_name

    result = trace_name(load_settings(config, workspace=workspace), name)
    if isinstance(result, ModelTrace):
        print_result(asdict(result), as_json, show_model)
    else:
        print_result(result.summary() | {"clips": list(result.scope.clips)}, as_json, show_footage)


def takedown(
    speaker: Annotated[str | None, typer.Option(help="Everything of this speaker.")] = None,
    corpus: Annotated[str | None, typer.Option(help="Everything of this corpus.")] = None,
    file: Annotated[
        str | None, typer.Option(help="This file (path, whole name or id), and every other of the same bytes.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Everything under this licence.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the tombstone.")] = "asked for",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    with_models: Annotated[
        bool, typer.Option("--with-models", help="Delete models and checkpoints trained on it, too.")
    ] = False,
    with_near_copies: Annotated[
        bool,
        typer.Option(
            "--with-near-copies",
            help="Take down near-copies of it, too, and keep what they are recognised by, so that none comes back.",
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase footage for good, keep it from coming back, and name the models that were trained on it."""
    kind, value = _selected({"speaker": speaker, "corpus": corpus, "file": file, "licence": licence})
    from heterodub.tasks.preflight.data import check_takedown

    if dry_run:
        _preview(kind, value, workspace, config, with_near_copies, as_json)
        return
    prepare(lambda: check_takedown(kind, value, workspace, text_of(config)))
    from pydantic import SecretStr

    from heterodub.flows.cli.render.lineage import show_takedown
    from heterodub.flows.takedown import takedown as run

    secret, why = SecretStr(value), SecretStr(reason)  # Prefect keeps what a flow is given
    summary = run_flow(run, kind, secret, why, False, workspace, text_of(config), with_models, with_near_copies)
    print_result(summary, as_json, partial(show_takedown, dry_run=False))


def _preview(
    kind: Any, value: str, workspace: str | None, config: Path | None, with_near_copies: bool, as_json: bool
) -> None:
    configure_environment()
    from heterodub.flows.cli.render.lineage import show_takedown
    from heterodub.tasks.lineage.trace import preview

    print_result(
        preview(kind, value, workspace, text_of(config), with_near_copies),
        as_json,
        partial(show_takedown, dry_run=True),
    )


def _selected(options: Mapping[str, str | None]) -> tuple[Any, str]:
    named = [(kind, value) for kind, value in options.items() if value is not None]
    if len(named) != 1:
        raise typer.BadParameter("name one of --speaker, --corpus, --file and --licence")
    return named[0]


def relocate(
    forget: Annotated[
        Path | None, typer.Option(help="Workspace that this one is a copy of, if it is still there.")
    ] = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rewrite the addresses of runs and models of a workspace that was moved."""
    from heterodub.flows.cli.render.lineage import show_relocation
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.stores.workspace import Workspace
    from heterodub.tasks.tracking.address import place_of
    from heterodub.tasks.tracking.relocation import relocate as run

    settings = load_settings(text_of(config), workspace=workspace)
    done = run(place_of(settings.tracking, Workspace.open(settings.workspace)), forget)
    print_result(asdict(done), as_json, show_relocation)


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a workspace that an older heterodub made to the table layout of this one."""
    from heterodub.flows.cli.render.lineage import show_migration
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.stores.migration import migrate as run

    settings = load_settings(text_of(config), workspace=workspace)
    print_result(asdict(run(settings.workspace, dry_run)), as_json, show_migration)

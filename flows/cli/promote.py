"""Commands retrain, promote, rollback, history, fetch and benchmark. Heavy libraries load inside them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from heterodub.flows.cli.environment import configure_environment, prepare, run_flow
from heterodub.flows.cli.options import ConfigOption, JsonOption, WorkspaceOption, print_result, show_labelled, text_of
from heterodub.schemas.errors import RetrainError

StageArgument = Annotated[
    Literal["stage1", "stage2"], typer.Argument(help="stage1: landmark generator, stage2: landmark translator.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("retrain")(retrain)
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("history")(history)
    app.command("fetch")(fetch)
    app.command("benchmark")(benchmark)


def retrain(
    corpora: Annotated[
        list[str] | None, typer.Argument(help="Corpus files, manifests, folders, URIs; else the settings' corpora.")
    ] = None,
    stage: Annotated[Literal["both", "stage1", "stage2"], typer.Option(help="Stages to retrain.")] = "both",
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest; where footage changed enough, train, score and promote. Continues an interrupted run."""
    from heterodub.tasks.preflight.data import check_sources
    from heterodub.tasks.preflight.models import check_retrain

    def check() -> None:
        settings = check_retrain(workspace, text_of(config))
        check_sources(corpora or settings.retrain.corpora, settings.limits.web_origins)

    prepare(check)
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.cli.render.ingest import show_retraining
    from heterodub.flows.retrain import retrain as run

    try:
        print_result(run_shown(run, corpora or None, stage, workspace, text_of(config)), as_json, show_retraining)
    except RetrainError as error:
        print_result(error.summary, as_json, show_retraining)
        raise


def promote(
    stage: StageArgument = "stage1",
    model: Annotated[str | None, typer.Option(help="Version, @alias or run id; else the newest version.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Promotion policy file; else the settings'.")] = None,
    workspace: WorkspaceOption = None,
    override: Annotated[
        bool, typer.Option("--override", help="Skip the evaluation: make it the champion and log --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why --override; kept in the ledger.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a challenger against the champion on the frozen benchmark; the policy decides whether it takes its place."""
    from heterodub.flows.cli.render.promotion import show_move, show_promotion
    from heterodub.tasks.preflight.models import check_promote

    rules, settings = text_of(policy), text_of(config)
    if override:
        configure_environment()
        from heterodub.tasks.promotion.manual import override as make_champion

        print_result(make_champion(reason or "", stage, model, workspace, settings), as_json, show_move)
        return
    prepare(lambda: check_promote(stage, model, rules, workspace, settings, override, reason))
    from heterodub.flows.promote import promote as run

    print_result(run_flow(run, stage, model, rules, workspace, settings), as_json, show_promotion)


def rollback(
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    stage: StageArgument = "stage1",
    to: Annotated[
        int | None, typer.Option(min=1, help="Version that was champion; else the one before the present one.")
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over a registry whose champions another workspace moved.")
    ] = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an earlier champion the champion again. Takes seconds: no server is started for it."""
    configure_environment()
    from heterodub.flows.cli.render.promotion import show_move
    from heterodub.tasks.promotion.manual import rollback as roll_back

    print_result(roll_back(reason, stage, to, adopt, workspace, text_of(config)), as_json, show_move)


def history(
    stage: Annotated[Literal["stage1", "stage2"] | None, typer.Argument(help="Only this stage's.")] = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the champions: when, why, and by whom each was chosen."""
    configure_environment()
    from heterodub.flows.cli.render.promotion import show_history
    from heterodub.schemas.cards import MODEL_OF
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.tracking.ledger import history as read_history

    summary = read_history(load_settings(config, workspace=workspace), MODEL_OF[stage] if stage else None)
    print_result(summary, as_json, show_history)


def fetch(
    model: Annotated[str, typer.Argument(help="Such as landmark-generator@champion or wav2lip/3; MODEL: the newest.")],
    folder: Annotated[Path, typer.Argument(help="New folder for it, which mlflow.pyfunc.load_model takes.")],
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a registered model into a folder; every file is checked against its logged checksum first."""
    configure_environment()
    from heterodub.schemas.config.settings import load_settings
    from heterodub.tasks.promotion.manual import fetch as fetch_model

    print_result(fetch_model(load_settings(config, workspace=workspace), model, folder), as_json, show_labelled)


def benchmark(
    stage: StageArgument = "stage1",
    refreeze: Annotated[
        bool, typer.Option("--refreeze", help="Freeze the test split anew: another benchmark.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why it is frozen; kept with it.")] = "",
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the frozen benchmark, check it against the stored clips, and freeze one where there is none."""
    if refreeze and not reason:
        raise typer.BadParameter("--refreeze changes the clips that models are scored on: give --reason")
    configure_environment()
    from heterodub.schemas.config.settings import load_settings
    from heterodub.schemas.reasons import Stage
    from heterodub.tasks.releases.benchmarks import frozen, scored
    from heterodub.tasks.stores.workspace import Workspace
    from heterodub.tasks.training.clip_selection import find_release

    ws = Workspace.open(load_settings(config, workspace=workspace).workspace)
    result = frozen(ws, find_release(ws, None), Stage(stage), reason or "asked for", refreeze)
    print_result(scored(ws, result).summary(), as_json, show_labelled)

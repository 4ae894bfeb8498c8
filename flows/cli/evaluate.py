"""Commands `evaluate` and `ablate`. Heavy libraries load inside them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from heterodub.flows.cli.environment import prepare
from heterodub.flows.cli.options import (
    ConfigOption,
    GeneratorOption,
    JsonOption,
    ModelOption,
    PresetOption,
    ReleaseOption,
    SecondsOption,
    StepsOption,
    TranslatorOption,
    WorkspaceOption,
    name_left_out,
    print_result,
    text_of,
)
from heterodub.schemas.errors import BatchError

SplitOption = Annotated[Literal["val", "test"], typer.Option(help="Clips to score on.")]
FoldsOption = Annotated[int, typer.Option(min=2, help="Folds over speakers.")]
InFoldsOption = Annotated[
    int | None,
    typer.Option("--folds", min=2, help="Instead: train and score one model for each fold of the speakers."),
]
ReferencesOption = Annotated[
    int, typer.Option(min=1, help="Reference frames of a clip that the model is given; they are not scored.")
]

evaluate = typer.Typer(no_args_is_help=True, help="Score a model beside its controls, with intervals.")
ablate = typer.Typer(no_args_is_help=True, help="Measure the effect of one part: data or fine-tuning.")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(evaluate, name="evaluate")
    app.add_typer(ablate, name="ablate")


@evaluate.command("stage2", help="Score a landmark translator on speakers it has not seen, beside baselines.")
@evaluate.command("stage1", help="Score a landmark generator on speakers it has not seen.")
def evaluate_stage(
    context: typer.Context,
    model: ModelOption = None,
    release: ReleaseOption = None,
    split: SplitOption = "test",
    folds: InFoldsOption = None,
    fold: Annotated[int | None, typer.Option(min=1, help="With --folds: that one alone.")] = None,
    speakers: Annotated[
        int | None, typer.Option(min=1, help="With folds: learn from so many speakers at most, for a learning curve.")
    ] = None,
    references: ReferencesOption = 8,
    preset: PresetOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score the model of the stage that the command names."""
    from heterodub.tasks.preflight.models import check_evaluate

    stage: Any = context.info_name
    where = (workspace, text_of(config), preset)
    prepare(lambda: check_evaluate(stage, model, release, split, folds, fold, speakers, *where))
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.cli.render.scores import show_scores
    from heterodub.flows.evaluate import evaluate as run

    summary = run_shown(run, stage, model, release, split, folds, fold, speakers, references, *where)
    print_result(summary, as_json, show_scores)


@evaluate.command("dub")
def evaluate_dub(
    manifest: Annotated[Path, typer.Argument(help="CSV of jobs, as for `dub`: video, speech, out.")],
    generator: GeneratorOption = None,
    translator: TranslatorOption = None,
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score finished dubbings: detected landmarks against intended ones, and sync, with own and with other speech.

    Outputs are scored as they are and never written to. Anything else that is rendered (the video with its own
    speech, outputs that are missing) goes into a scratch folder.
    """
    from heterodub.tasks.preflight.dubbing import check_evaluate_dub

    arguments = (str(manifest), generator, translator, release, workspace, text_of(config))
    prepare(lambda: name_left_out(check_evaluate_dub(*arguments)))
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.cli.render.scores import show_dub_scores
    from heterodub.flows.evaluate import evaluate_dub as run

    try:
        summary = run_shown(run, *arguments)
    except BatchError as error:
        summary = error.summary
    print_result(summary, as_json, show_dub_scores)


@ablate.command("data")
def ablate_data(
    stage: Annotated[Literal["stage1", "stage2"], typer.Option(help="The stage whose footage and model.")] = "stage1",
    release: ReleaseOption = None,
    folds: FoldsOption = 3,
    references: ReferencesOption = 8,
    preset: PresetOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare half of the speakers with the same half and more footage that is good for one stage alone."""
    from heterodub.tasks.preflight.models import check_evaluate

    where = (workspace, text_of(config), preset)
    prepare(lambda: check_evaluate(stage, None, release, "test", folds, None, None, *where))
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.cli.render.scores import show_ablation
    from heterodub.flows.evaluate import ablate_data as run

    summary = run_shown(run, release, folds, references, *where, stage)
    print_result(summary, as_json, show_ablation)


@ablate.command("finetuning")
def ablate_finetuning(
    model: ModelOption = None,
    release: ReleaseOption = None,
    split: SplitOption = "test",
    seconds: SecondsOption = None,
    steps: StepsOption = None,
    preset: PresetOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a landmark translator with and without fine-tuning, on later parts of the same clips."""
    from heterodub.tasks.preflight.models import check_ablate_finetuning

    chosen = {"preset": preset, "finetuning": {"steps": steps, "seconds": seconds}}
    prepare(lambda: check_ablate_finetuning(model, release, split, workspace, text_of(config), chosen))
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.cli.render.scores import show_finetuning
    from heterodub.flows.evaluate import ablate_finetuning as run

    summary = run_shown(run, model, release, split, seconds, steps, workspace, text_of(config), preset)
    print_result(summary, as_json, show_finetuning)

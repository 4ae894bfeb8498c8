"""Commands `train` and `finetune`. Heavy libraries load inside them."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

import typer

from heterodub.flows.cli.environment import prepare
from heterodub.flows.cli.options import (
    ConfigOption,
    JsonOption,
    ModelOption,
    PresetOption,
    ReleaseOption,
    SecondsOption,
    StepsOption,
    WorkspaceOption,
    print_result,
    show_labelled,
    text_of,
)
from heterodub.schemas.config.choices import BaselineName

SeedOption = Annotated[int | None, typer.Option(min=0, help="The same seed takes the same steps.")]
ResumeOption = Annotated[bool, typer.Option(help="Go on from the checkpoint this training left, or start over.")]

train = typer.Typer(no_args_is_help=True, help="Train a model on a release.")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(train, name="train")
    app.command("finetune")(finetune)


def _training_of(stage: Literal["stage1", "stage2"]) -> Callable[..., None]:
    """Return the command that trains a stage's model."""

    def command(
        release: ReleaseOption = None,
        preset: PresetOption = None,
        steps: StepsOption = None,
        seed: SeedOption = None,
        resume: ResumeOption = True,
        workspace: WorkspaceOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        from heterodub.tasks.preflight.models import check_train

        chosen = {"preset": preset, "seed": seed, "schedule": {"max_steps": steps}}
        prepare(lambda: check_train(stage, release, workspace, text_of(config), stage, chosen), training=True)
        from heterodub.flows.cli.progress import run_shown
        from heterodub.flows.train import train as run

        summary = run_shown(run, stage, release, workspace, text_of(config), preset, steps, seed, resume)
        print_result(summary, as_json, show_labelled)

    return command


_WHAT: Final = "Train the landmark {}, log the run to MLflow and register the model."
train.command("stage1", help=_WHAT.format("generator"))(_training_of("stage1"))
train.command("stage2", help=_WHAT.format("translator"))(_training_of("stage2"))


@train.command("baseline")
def train_baseline(
    name: Annotated[BaselineName, typer.Argument(help="System of the paper's comparison.")],
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Time at most, validation included.")] = None,
    release: ReleaseOption = None,
    preset: PresetOption = None,
    steps: StepsOption = None,
    seed: SeedOption = None,
    resume: ResumeOption = True,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a system that the paper compares with, on clips that are good for both stages alone."""
    from heterodub.tasks.preflight.models import check_train

    chosen = {"preset": preset, "seed": seed, "schedule": {"max_steps": steps, "minutes": minutes}}
    prepare(lambda: check_train("stage2", release, workspace, text_of(config), "baselines", chosen), training=True)
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.train import train_baseline as run

    summary = run_shown(run, name, release, workspace, text_of(config), preset, steps, minutes, seed, resume)
    print_result(summary, as_json, show_labelled)


def finetune(
    clip: Annotated[str, typer.Argument(help="Stage-2 clip of the speaker: its id, or how the id begins.")],
    model: ModelOption = None,
    release: ReleaseOption = None,
    preset: PresetOption = None,
    seconds: SecondsOption = None,
    steps: StepsOption = None,
    resume: ResumeOption = True,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Adapt a landmark translator to one speaker, by one clip of a few seconds.

    The result is registered as landmark-translator-finetuned: it is used when it is named, never as the newest.
    """
    from heterodub.tasks.preflight.models import check_finetune

    chosen = {"preset": preset, "finetuning": {"steps": steps, "seconds": seconds}}
    prepare(lambda: check_finetune(clip, model, release, workspace, text_of(config), chosen), training=True)
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.train import finetune as run

    summary = run_shown(run, clip, model, release, workspace, text_of(config), preset, seconds, steps, resume)
    print_result(summary, as_json, show_labelled)

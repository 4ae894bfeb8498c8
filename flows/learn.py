"""Commands that learn and judge: train, evaluate, ablate. Heavy libraries load inside them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.ask import ConfigOption, JsonOption, WorkspaceOption
from flows.environment import find_server, launched_as, settle
from schemas.errors import SettingsError
from schemas.rivals import RivalName

ProfileOption = Annotated[
    Literal["tiny", "cpu", "paper"] | None, typer.Option(help="Size and length of the training; else the settings'.")
]
ReleaseOption = Annotated[str | None, typer.Option(help="Release to use; else the newest.")]
ModelOption = Annotated[str | None, typer.Option(help="Folder, version, @alias or run id; else the newest version.")]
ReferencesOption = Annotated[int, typer.Option(min=1, help="Frames of a clip that the generator is told.")]
StepsOption = Annotated[int | None, typer.Option(min=1, help="Steps at most.")]
SeedOption = Annotated[int | None, typer.Option(min=0, help="The same seed takes the same steps.")]
FreshOption = Annotated[bool, typer.Option(help="Do not go on from the checkpoint this training left.")]
SplitOption = Annotated[Literal["val", "test"], typer.Option(help="Clips to judge on.")]
SecondsOption = Annotated[float | None, typer.Option(min=0.2, help="Learn from so much of a clip's beginning.")]
FoldsOption = Annotated[int, typer.Option(min=2, help="Folds over speakers.")]

train = typer.Typer(no_args_is_help=True, help="Train a model on a release.")
evaluate = typer.Typer(no_args_is_help=True, help="Score a model beside its controls, with intervals.")
ablate = typer.Typer(no_args_is_help=True, help="Measure what one thing is worth.")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(train, name="train")
    app.add_typer(evaluate, name="evaluate")
    app.add_typer(ablate, name="ablate")
    app.command("finetune")(finetune)


@train.callback()
@evaluate.callback()
@ablate.callback()
def _groups() -> None:
    """Keeps a group with one command a group."""


@train.command("stage1")
def train_stage1(
    release: ReleaseOption = None,
    profile: ProfileOption = None,
    steps: StepsOption = None,
    seed: SeedOption = None,
    fresh: FreshOption = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the landmark generator, log the run to MLflow and register the model."""
    _train("stage1", release, profile, steps, seed, fresh, workspace, config, as_json)


@train.command("stage2")
def train_stage2(
    release: ReleaseOption = None,
    profile: ProfileOption = None,
    steps: StepsOption = None,
    seed: SeedOption = None,
    fresh: FreshOption = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the landmark translator, log the run to MLflow and register the model."""
    _train("stage2", release, profile, steps, seed, fresh, workspace, config, as_json)


@train.command("rival")
def train_rival(
    name: Annotated[RivalName, typer.Argument(help="Which system.")],
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Time at most, validation included.")] = None,
    release: ReleaseOption = None,
    profile: ProfileOption = None,
    steps: StepsOption = None,
    seed: SeedOption = None,
    fresh: FreshOption = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a system that the paper compares with, on clips that are good for both stages alone."""
    _prepare(training=True)
    from flows.learning_progress import LearningDisplay
    from flows.train import train_rival as run
    from tasks.learning.watching import learning_watched_by

    with LearningDisplay() as display, learning_watched_by(display):
        told = run(name, release, workspace, _text(config), profile, steps, minutes, seed, fresh)
    _tell(told, as_json, _labelled)


def _train(
    stage: Literal["stage1", "stage2"],
    release: str | None,
    profile: Literal["tiny", "cpu", "paper"] | None,
    steps: int | None,
    seed: int | None,
    fresh: bool,
    workspace: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    _prepare(training=True)
    from flows.train import train as run

    told = _watched(run, stage, release, workspace, _text(config), profile, steps, seed, fresh)
    _tell(told, as_json, _labelled)


def finetune(
    clip: Annotated[str, typer.Argument(help="Stage-2 clip of the speaker: its id, or how the id begins.")],
    model: ModelOption = None,
    release: ReleaseOption = None,
    profile: ProfileOption = None,
    seconds: SecondsOption = None,
    steps: StepsOption = None,
    fresh: FreshOption = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Adapt a landmark translator to one speaker, by one clip of a few seconds."""
    _prepare(training=True)
    from flows.train import finetune as run

    told = _watched(run, clip, model, release, workspace, _text(config), profile, seconds, steps, fresh)
    _tell(told, as_json, _labelled)


@evaluate.command("stage1")
def evaluate_stage1(
    model: ModelOption = None,
    release: ReleaseOption = None,
    split: SplitOption = "test",
    folds: Annotated[
        int | None, typer.Option(min=2, help="Instead: train one generator for each fold of the speakers and judge it.")
    ] = None,
    speakers: Annotated[
        int | None, typer.Option(min=1, help="With folds: learn from so many speakers at most, for a learning curve.")
    ] = None,
    references: ReferencesOption = 8,
    profile: ProfileOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a landmark generator on speakers it has not seen."""
    _prepare()
    from flows.evaluate import evaluate as run

    told = _watched(
        run, "stage1", model, release, split, folds, None, speakers, references, workspace, _text(config), profile
    )
    from flows.scores import show_scores

    _tell(told, as_json, show_scores)


@evaluate.command("stage2")
def evaluate_stage2(
    model: ModelOption = None,
    release: ReleaseOption = None,
    split: SplitOption = "test",
    folds: Annotated[
        int | None, typer.Option(min=2, help="Instead: train a translator for each fold of the speakers and judge it.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=1, help="With --folds: that one alone.")] = None,
    references: ReferencesOption = 8,
    profile: ProfileOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a landmark translator on speakers it has not seen, beside baselines."""
    _prepare()
    from flows.evaluate import evaluate as run
    from flows.picture_scores import show_picture_scores

    told = _watched(
        run, "stage2", model, release, split, folds, fold, None, references, workspace, _text(config), profile
    )
    _tell(told, as_json, show_picture_scores)


@evaluate.command("dub")
def evaluate_dub(
    manifest: Annotated[Path, typer.Argument(help="CSV of jobs, as for `dub`: video, speech, out.")],
    generator: Annotated[
        str, typer.Option(help="Landmark generator: folder, version, @alias, run id, or newest.")
    ] = "@champion",
    translator: Annotated[str, typer.Option(help="Landmark translator, or warp.")] = "@champion",
    release: ReleaseOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score finished dubbings: found landmarks against wanted ones, and sync, with own and with other speech."""
    _prepare()
    from flows.dubbing_progress import DubDisplay
    from flows.evaluate import evaluate_dub as run
    from tasks.dubbing.watching import dubbing_watched_by

    with DubDisplay() as display, dubbing_watched_by(display):
        told = run(str(manifest), generator, translator, release, workspace, _text(config))
    from flows.scores import show_dub_scores

    _tell(told, as_json, show_dub_scores)


@ablate.command("data")
def ablate_data(
    stage: Annotated[Literal["stage1", "stage2"], typer.Option(help="The stage whose footage and model.")] = "stage1",
    release: ReleaseOption = None,
    folds: FoldsOption = 3,
    references: ReferencesOption = 8,
    profile: ProfileOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Half of the speakers, against the same half and more footage that is good for one stage alone."""
    _prepare()
    from flows.evaluate import ablate_data as run

    told = _watched(run, release, folds, references, workspace, _text(config), profile, stage)
    from flows.scores import show_ablation

    _tell(told, as_json, show_ablation)


@ablate.command("tuning")
def ablate_tuning(
    model: ModelOption = None,
    release: ReleaseOption = None,
    split: Annotated[Literal["val", "test"], typer.Option(help="Clips to tune and judge on.")] = "test",
    seconds: SecondsOption = None,
    steps: StepsOption = None,
    profile: ProfileOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """A landmark translator with and without fine-tuning, on what comes later in the same clips."""
    _prepare()
    from flows.evaluate import ablate_tuning as run
    from flows.picture_scores import show_tuning

    told = _watched(run, model, release, split, seconds, steps, workspace, _text(config), profile)
    _tell(told, as_json, show_tuning)


def _watched(run: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """What a flow returns that trains: its progress is shown meanwhile."""
    from flows.learning_progress import LearningDisplay
    from tasks.learning.watching import learning_watched_by

    with LearningDisplay() as display, learning_watched_by(display):
        return run(*given)


def _tell(told: dict[str, Any], as_json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        show(told)


def _labelled(told: dict[str, Any]) -> None:
    from flows.tables import pairs

    pairs((name.replace("_", " "), value) for name, value in told.items())


def _prepare(training: bool = False) -> None:
    """Surroundings and server. Those of torchrun's processes that do not lead take part in the training, and end.

    Raises: SettingsError - torchrun started something that is not one training.
    """
    settle()
    rank = launched_as()
    if rank is not None and not training:
        raise SettingsError("torchrun starts one training, `train` or `finetune`; run this command without it")
    if rank:
        from tasks.learning.devices import join_training

        join_training()
        raise typer.Exit
    find_server()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

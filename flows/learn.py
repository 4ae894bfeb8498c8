"""Commands that learn and judge: train, evaluate, ablate. Heavy libraries load inside them."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.ask import ConfigOption, JsonOption, WorkspaceOption
from flows.environment import find_server, settle

ProfileOption = Annotated[
    Literal["tiny", "cpu", "paper"] | None, typer.Option(help="Size and length of the training; else the settings'.")
]
ReleaseOption = Annotated[str | None, typer.Option(help="Release to use; else the newest.")]
ReferencesOption = Annotated[int, typer.Option(min=1, help="Frames of a clip that the generator is told.")]
FoldsOption = Annotated[int, typer.Option(min=2, help="Folds over speakers.")]

train = typer.Typer(no_args_is_help=True, help="Train a model on a release.")
evaluate = typer.Typer(no_args_is_help=True, help="Score a model beside its controls, with intervals.")
ablate = typer.Typer(no_args_is_help=True, help="Measure what one thing is worth.")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(train, name="train")
    app.add_typer(evaluate, name="evaluate")
    app.add_typer(ablate, name="ablate")


@train.callback()
@evaluate.callback()
@ablate.callback()
def _groups() -> None:
    """Keeps a group with one command a group."""


@train.command("stage1")
def train_stage1(
    release: ReleaseOption = None,
    profile: ProfileOption = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps at most.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed takes the same steps.")] = None,
    fresh: Annotated[bool, typer.Option(help="Do not go on from the checkpoint this training left.")] = False,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the landmark generator, log the run to MLflow and register the model."""
    _prepare()
    from flows.learning_progress import LearningDisplay
    from flows.train import train as run
    from tasks.learning.watching import learning_watched_by

    with LearningDisplay() as display, learning_watched_by(display):
        told = run("stage1", release, workspace, _text(config), profile, steps, seed, fresh)
    if as_json:
        print(json.dumps(told, indent=2))
        return
    from flows.tables import pairs

    pairs((name.replace("_", " "), value) for name, value in told.items())


@evaluate.command("stage1")
def evaluate_stage1(
    model: Annotated[
        str | None, typer.Option(help="Folder, version, @alias or run id; else the newest version.")
    ] = None,
    release: ReleaseOption = None,
    split: Annotated[Literal["val", "test"], typer.Option(help="Clips to judge on.")] = "test",
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
    from flows.learning_progress import LearningDisplay
    from tasks.learning.watching import learning_watched_by

    with LearningDisplay() as display, learning_watched_by(display):
        told = run("stage1", model, release, split, folds, references, workspace, _text(config), profile, speakers)
    _answer(told, as_json)


@ablate.command("data")
def ablate_data(
    release: ReleaseOption = None,
    folds: FoldsOption = 3,
    references: ReferencesOption = 8,
    profile: ProfileOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Half of the speakers, against the same half and more footage that is good for stage 1 alone."""
    _prepare()
    from flows.evaluate import ablate_data as run
    from flows.learning_progress import LearningDisplay
    from tasks.learning.watching import learning_watched_by

    with LearningDisplay() as display, learning_watched_by(display):
        told = run(release, folds, references, workspace, _text(config), profile)
    if as_json:
        print(json.dumps(told, indent=2))
        return
    from flows.scores import show_ablation

    show_ablation(told)


def _answer(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, indent=2))
        return
    from flows.scores import show_scores

    show_scores(told)


def _prepare() -> None:
    settle()
    find_server()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

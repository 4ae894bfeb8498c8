"""Commands that repeat the paper's comparison: its tables, and its rating study. Heavy libraries load inside them."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.ask import ConfigOption, JsonOption, WorkspaceOption
from flows.environment import find_server, settle
from flows.learn import ProfileOption, ReleaseOption

study = typer.Typer(no_args_is_help=True, help="Have people rate videos, blinded.")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("paper")(paper)
    app.add_typer(study, name="study")


def paper(
    table: Annotated[
        Literal["table1", "table3", "table4"],
        typer.Argument(help="table1: systems; table3: data of both stages; table4: parts of the translator."),
    ],
    minutes: Annotated[float, typer.Option(help="For all trainings of the table, which share them.")] = 60,
    release: ReleaseOption = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Judge on one of so many folds of the speakers; else on the test split.")
    ] = None,
    fold: Annotated[int, typer.Option(min=1, help="Which, with --folds.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; else reports/paper of the workspace.")
    ] = None,
    profile: ProfileOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a table of the paper on a release: trains what is missing, and goes on where it was interrupted."""
    settle()
    find_server()
    from flows.learning_progress import LearningDisplay
    from flows.paper import paper as run
    from tasks.learning.watching import learning_watched_by

    with LearningDisplay() as display, learning_watched_by(display):
        told = run(table, minutes, release, folds, fold, _text(out), workspace, _text(config), profile)
    _tell(told, as_json)


@study.command("make")
def study_make(
    videos: Annotated[Path, typer.Argument(help="CSV with columns clip, system, video, source (the input video).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the page and, apart from it, the key.")],
    title: Annotated[str, typer.Option(help="What raters read on top.")] = "How real do these videos look?",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Times that a rater sees each clip, each by another system; else all.")
    ] = None,
    checks: Annotated[int, typer.Option(min=0, help="Attention checks that a rater meets.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Of ids and orders; keep it to yourself, like the key.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a self-contained page on which people grade videos without knowing who made them."""
    from flows.tables import pairs
    from tasks.study.making import make_study

    told = make_study(videos, out, title, rounds, checks, seed).summary()
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        pairs((name.replace("_", " "), value) for name, value in told.items())


@study.command("score")
def study_score(
    key: Annotated[Path, typer.Argument(help="The key that `study make` wrote.")],
    answers: Annotated[list[Path], typer.Argument(help="Files that raters saved, or folders of them.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for Markdown, CSV and figure.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Means of every system with intervals, and whether raters agree."""
    from tasks.paper.writing import markdown, write_table
    from tasks.study.scoring import as_table, score_study

    scores = score_study(key, answers)
    table = as_table(scores)
    files = [str(path) for path in write_table(table, out)] if out else []
    _tell(scores.summary() | {"files": files} if as_json else {"markdown": markdown(table), "files": files}, as_json)


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, indent=2))
        return
    print(told["markdown"])
    for path in told["files"]:
        print(path)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

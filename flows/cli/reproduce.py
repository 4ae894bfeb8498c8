"""Commands that reproduce the paper's tables and its rating study. Heavy libraries load inside them."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from heterodub.flows.cli.environment import prepare
from heterodub.flows.cli.options import (
    ConfigOption,
    JsonOption,
    PresetOption,
    ReleaseOption,
    WorkspaceOption,
    print_result,
    show_labelled,
    text_of,
)

study = typer.Typer(no_args_is_help=True, help="Rating studies: people grade videos, blinded.")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("reproduce")(reproduce)
    app.add_typer(study, name="study")


def reproduce(
    table: Annotated[
        Literal["table1", "table3", "table4"],
        typer.Argument(help="table1: systems; table3: data of both stages; table4: parts of the translator."),
    ],
    minutes: Annotated[float, typer.Option(help="For all trainings of the table, which share them.")] = 60,
    release: ReleaseOption = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Score on one of so many folds of the speakers; else on the test split.")
    ] = None,
    fold: Annotated[int, typer.Option(min=1, help="Number of that fold, from 1; with --folds.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; else reports/reproduction of the workspace.")
    ] = None,
    preset: PresetOption = None,
    workspace: WorkspaceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a table of the paper on a release: trains what is missing, and continues after an interruption."""
    from heterodub.tasks.preflight.models import check_reproduce

    where = (workspace, text_of(config), preset)
    prepare(lambda: check_reproduce(table, minutes, release, folds, fold, text_of(out), *where))
    from heterodub.flows.cli.progress import run_shown
    from heterodub.flows.reproduce import reproduce as run

    summary = run_shown(run, table, minutes, release, folds, fold, text_of(out), workspace, text_of(config), preset)
    print_result(summary, as_json, _show_table)


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
    from heterodub.tasks.reproduction.study_making import make_study

    summary = make_study(videos, out, title, rounds, checks, seed).summary()
    print_result(summary, as_json, show_labelled)


@study.command("score")
def study_score(
    key: Annotated[Path, typer.Argument(help="The key that `study make` wrote.")],
    answers: Annotated[list[Path], typer.Argument(help="Files that raters saved, or folders of them.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for Markdown, CSV and figure.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compute means of every system with intervals, and the agreement of raters."""
    from heterodub.tasks.reproduction.study_scoring import as_table, score_study
    from heterodub.tasks.reproduction.table import markdown, write_table

    scores = score_study(key, answers)
    table = as_table(scores)
    files = [str(path) for path in write_table(table, out)] if out else []
    summary = asdict(scores) if as_json else {"markdown": markdown(table)}
    print_result(summary | {"files": files}, as_json, _show_table)


def _show_table(summary: dict[str, Any]) -> None:
    print(summary["markdown"])
    for path in summary["files"]:
        print(path)

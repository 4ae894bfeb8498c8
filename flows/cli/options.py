"""Options that several commands share, and the printing of their results."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from heterodub.schemas.endings import ending_of
from heterodub.tasks.monitoring.streams import say

WorkspaceOption = Annotated[
    str | None,
    typer.Option("--workspace", "-w", help="Workspace folder, or s3://bucket/place; else from the settings."),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file; else heterodub.toml, if there.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with JSON on stdout.")]
PresetOption = Annotated[
    Literal["tiny", "cpu", "paper"] | None, typer.Option(help="Size and length of the training; else the settings'.")
]
ReleaseOption = Annotated[str | None, typer.Option(help="Release to use, by the start of its id; else the newest.")]
ModelOption = Annotated[str | None, typer.Option(help="Folder, version, @alias or run id; else the newest version.")]
GeneratorOption = Annotated[
    str | None,
    typer.Option(
        help="Landmark generator: folder, version, @alias, run id, newest, or builtin, the one that ships. "
        "Else the champion, and builtin where there is none."
    ),
]
TranslatorOption = Annotated[
    str | None,
    typer.Option(
        help="Landmark translator, named so too, or landmark-translator-finetuned/NUMBER; warp: the one without "
        "training."
    ),
]
SignOption = Annotated[
    bool | None,
    typer.Option(
        "--sign/--no-sign", help="Write nothing unsigned, or sign nothing; else signed if there is a certificate."
    ),
]
StepsOption = Annotated[int | None, typer.Option(min=1, help="Steps at most.")]
SecondsOption = Annotated[float | None, typer.Option(min=0.2, help="Learn from so much of a clip's beginning.")]


Result = TypeVar("Result")


def text_of(path: Path | None) -> str | None:
    """Return a path as text, as flows take it: their parameters are kept as JSON."""
    return None if path is None else str(path)


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write CSV with a header to stdout."""
    from heterodub.schemas.display import csv_line

    sys.stdout.write(csv_line(columns))
    for row in rows:
        sys.stdout.write(csv_line(row[name] for name in columns))


def write_json(data: Any) -> None:
    """Write one JSON document to stdout; a list with one element a line. ASCII, so no terminal acts on a name."""
    if isinstance(data, list):
        lines = ",\n".join(json.dumps(element, allow_nan=False) for element in data)
        sys.stdout.write(f"[\n{lines}\n]\n" if data else "[]\n")
    else:
        sys.stdout.write(json.dumps(data, indent=2) + "\n")


def print_result(result: Result, as_json: bool, show: Callable[[Result], None]) -> None:
    """Print a result as JSON, or by `show`.

    Raises: typer.Exit - with 1, since the run did not do all that was requested (schemas/endings.py).
    """
    if as_json:
        write_json(result)
    else:
        show(result)
    if ending_of(result) in ("partial", "failed"):
        raise typer.Exit(1)


def name_left_out(faults: Mapping[int, str]) -> None:
    """Print to stderr which rows of a manifest are left out, by their place."""
    for place, fault in faults.items():
        say(f"warning: row {place + 1} is left out: {fault}", error=True)


def show_labelled(result: dict[str, Any]) -> None:
    """Print a result as labelled lines; entries without a value are left out."""
    from heterodub.flows.cli.render.tables import pairs

    pairs((name.replace("_", " "), value) for name, value in result.items())

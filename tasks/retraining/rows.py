"""The summary of a retraining as rows and as Markdown, read in seconds."""

from collections.abc import Sequence
from typing import Any, Final

FAILED: Final = "failed"
UNCHANGED: Final = "unchanged"

Told = dict[str, Any]


def markdown(told: Told) -> str:
    """The summary as a page."""
    lines = [f"**{told['outcome']}** after {told['seconds']:.0f} s", ""]
    lines += [_line(cells) for cells in (("step", "outcome", "why"), ("---",) * 3, *told_rows(told))]
    return "\n".join(lines) + "\n"


def told_rows(told: Told) -> list[tuple[str, str, str]]:
    """Step, outcome and reason of each corpus and stage, in words."""
    return [_corpus_row(one) for one in told["corpora"]] + [_stage_row(one) for one in told["stages"]]


def _corpus_row(one: Told) -> tuple[str, str, str]:
    if one["error"]:
        return f"ingest {one['corpus']}", FAILED, one["error"]
    outcome = f"release {one['release']}" if one["release_is_new"] else "nothing new"
    return f"ingest {one['corpus']}", outcome, f"{one['new_files']} new files of {one['files']}"


def _stage_row(one: Told) -> tuple[str, str, str]:
    if one["outcome"] == FAILED:
        return one["stage"], FAILED, one["reason"]
    champion = f"champion {one['champion'] or 'none'}"
    if one["outcome"] == UNCHANGED:
        return one["stage"], f"{UNCHANGED}, {champion}", one["reason"]
    made = f"version {one['version']}" + (" (trained before)" if one["trained"] == "before" else "")
    return one["stage"], f"{made} {one['outcome']}, {champion}", f"{one['reason']}; trained because of {one['why']}"


def _line(cells: Sequence[str]) -> str:
    # a bar or a line break inside a cell would end it
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

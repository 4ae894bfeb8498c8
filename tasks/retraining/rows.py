"""Summary of a retraining as rows and as Markdown."""

from collections.abc import Sequence
from typing import Any, Final

FAILED: Final = "failed"
UNCHANGED: Final = "unchanged"

Summary = dict[str, Any]


def markdown(summary: Summary) -> str:
    """Return the summary as Markdown."""
    lines = [f"**{summary['outcome']}** after {summary['seconds']:.0f} s", ""]
    lines += [_line(cells) for cells in (("step", "outcome", "why"), ("---",) * 3, *table_rows(summary))]
    return "\n".join(lines) + "\n"


def table_rows(summary: Summary) -> list[tuple[str, str, str]]:
    """Return step, outcome and reason of each corpus and stage, in words."""
    return [_corpus_row(corpus) for corpus in summary["corpora"]] + [_stage_row(stage) for stage in summary["stages"]]


def _corpus_row(corpus: Summary) -> tuple[str, str, str]:
    if corpus["error"]:
        return f"ingest {corpus['corpus']}", FAILED, corpus["error"]
    outcome = f"release {corpus['release']}" if corpus["release_is_new"] else "nothing new"
    return f"ingest {corpus['corpus']}", outcome, f"{corpus['new_files']} new files of {corpus['files']}"


def _stage_row(stage: Summary) -> tuple[str, str, str]:
    if stage["outcome"] == FAILED:
        return stage["stage"], FAILED, stage["reason"]
    champion = f"champion {stage['champion'] or 'none'}"
    if stage["outcome"] == UNCHANGED:
        return stage["stage"], f"{UNCHANGED}, {champion}", stage["reason"]
    trained = f"version {stage['version']}" + (" (trained before)" if stage["trained"] == "before" else "")
    return (
        stage["stage"],
        f"{trained} {stage['outcome']}, {champion}",
        f"{stage['reason']}; trained because of {stage['why']}",
    )


def _line(cells: Sequence[str]) -> str:
    # a bar or a line break inside a cell would end it
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

"""Rendering of labels, draws and scores of a policy on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from heterodub.flows.cli.render.tables import TableColumn, cell, console, pairs, show
from heterodub.schemas.display import SHORT_ID, base_name, counted
from heterodub.tasks.monitoring.streams import say

if TYPE_CHECKING:
    from heterodub.model.evaluation.intervals import Interval
    from heterodub.tasks.labelling.score import PolicyScore

_EFFECTS: Final = {"applied": "green", "waiting": "yellow", "unusable": "red", "no clip": "red"}


def show_labels(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of heterodub.tasks.labelling.listing.list_labels."""
    columns = [TableColumn("clip"), TableColumn("file", 16, middle=True), TableColumn("stage"), TableColumn("verdict")]
    columns += [TableColumn("by", 8, folds=True), TableColumn("reason", 16, folds=True), TableColumn("effect")]
    cells = [
        [
            cell(row["clip"][:SHORT_ID], "dim"),
            base_name(row["uri"] or ""),
            row["stage"],
            row["verdict"],
            row["by"],
            row["reason"],
            cell(row["effect"], _EFFECTS[row["effect"]]),
        ]
        for row in rows
    ]
    show(
        [*columns, TableColumn("when", optional=True)],
        [[*line, row["created_utc"]] for line, row in zip(cells, rows, strict=True)],
    )
    if not rows:
        say("no labels yet", error=True)


def show_draw(page: Mapping[str, Any]) -> None:
    """Print the summary of a LabelPage, and how many clips of each stratum were drawn; its path comes last."""
    cells = [(name, drawn, of_all) for name, (drawn, of_all) in page["strata"].items()]
    show([TableColumn("stratum"), TableColumn("drawn", right=True), TableColumn("clips", right=True)], cells)
    if page["shown"] < page["drawn"]:
        left = counted(page["drawn"] - page["shown"], "drawn clip")
        say(f"warning: {left} cannot be played (file away, changed, or no room) and not on the page", error=True)
    print(page["page"])


def show_score(score: "PolicyScore") -> None:
    """Print the scores of a policy."""
    basis = (
        f"all clips, by {counted(score.clips, 'clip')} drawn at random, whose strata hold {score.covered:.0%} of them"
        if score.drawn
        else f"{counted(score.clips, 'labelled clip')} alone: people chose them, so they say nothing of the others"
    )
    left_out = score.by_hand if score.drawn else 0
    pairs(
        [
            ("policy", score.policy),
            ("shares of", basis),
            ("left out", f"{counted(left_out, 'label')} of clips that people chose" if left_out else None),
            ("intervals", "95 %, Wilson, counted in speakers"),
        ]
    )
    console().print("")
    columns = [TableColumn("stage"), TableColumn("verdict"), TableColumn("labelled", right=True)]
    columns += [TableColumn("people agree", right=True), TableColumn("precision %", right=True)]
    cells = [
        (one.stage, one.verdict, one.clips, one.agreed, _percent(one.precision), _percent(one.recall))
        for one in score.scores
    ]
    show([*columns, TableColumn("recall %", right=True)], cells, keys=2)


def _percent(share: "Interval") -> str:
    return share.format(".0f", 100, missing="-")

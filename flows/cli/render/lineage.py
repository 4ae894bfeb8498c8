"""Rendering of lineage and takedowns on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from humanize import naturalsize

from heterodub.flows.cli.render.tables import TableColumn, cell, console, pairs, show
from heterodub.schemas.display import common_folder, counted, readable_path
from heterodub.tasks.monitoring.streams import say

_SHOWN: Final = 20
"""Files or clips that are listed one by one; --json holds all of them."""


def show_model(trace: Mapping[str, Any]) -> None:
    """Print a ModelTrace, given as a dictionary."""
    release = trace["release"] or {}
    tables = ", ".join(f"{name} {number}" for name, number in release.get("tables", {}).items())
    clips = trace["clips"]
    pairs(
        [
            ("model", f"{trace['model']} version {trace['version']}"),
            ("aliases", ", ".join(trace["aliases"])),
            ("run", trace["run"]),
            ("TAKEN DOWN", trace["taken_down"]),
            ("release", f"{release['release_id']}, number {release['sequence']}" if release else "unknown here"),
            ("published", release.get("created_utc")),
            ("clips taken down since by", ", ".join(release.get("takedowns", ()))),
            ("table versions", tables),
            ("code", release.get("code")),
            ("licences, when trained", ", ".join(trace["licences"])),
            ("clips", "unknown" if clips is None else ", ".join(f"{len(ids)} {split}" for split, ids in clips.items())),
            ("files", f"{len(trace['files'])}" + (f" and {trace['gone']} taken down since" if trace["gone"] else "")),
        ]
    )
    console().print("")
    _files(trace["files"])
    _labels(trace["kept"])
    for move in trace["moves"]:
        print(f"{move['created_utc']} {move['kind']}: {move['from_version'] or 'none'} -> {move['to_version']}")


def show_footage(trace: Mapping[str, Any]) -> None:
    """Print what holds some footage: the summary of a TakedownPlan, with its clips."""
    pairs([(trace["kind"], trace["value"]), *_reach(trace), ("clips", len(trace["clips"]))])
    console().print("")
    _files(trace["files"])
    _labels(trace["labels"])
    _models(trace["models"])


def show_takedown(summary: Mapping[str, Any], dry_run: bool) -> None:
    """Print the summary of a takedown or of its dry run."""
    console().print("would be erased\n" if dry_run else "erased\n")
    pairs(
        [
            (summary["kind"], summary["value"]),
            ("files", len(summary["files"])),
            (
                "clips",
                f"{summary['clips']} ({summary['stage1']} in stage1, {summary['stage2']} in stage2), "
                f"{summary['seconds']} s",
            ),
            ("speakers", len(summary["speakers"])),
            ("labels of people", len(summary["labels"]) or None),
            *_reach(summary),
        ]
    )
    console().print("")
    _files(summary["files"])
    if summary["near_copies"] and not summary["with_near_copies"]:
        count = counted(len(summary["near_copies"]), "near-copy file")
        console().print(f"{count} of it would stay; --with-near-copies takes such along:\n")
        _files(summary["near_copies"])
    if summary["same_people"]:
        count = counted(len(summary["same_people"]), "other file")
        console().print(f"{count} with faces of the same people would stay; `speakers list` names who they are:\n")
        _files(summary["same_people"])
    _models(summary["models"])
    if any("champion" in row["aliases"] and row["clips"] for row in summary["models"]):
        console().print("the champion was trained on it: train again and promote, or roll back to a clean version\n")
    _weights(summary)
    if dry_run:
        return
    pairs(
        [
            ("takedown", summary["takedown"]),
            ("earlier ones finished", ", ".join(summary["finished"])),
            ("files erased", summary["files_erased"]),
            ("pictures and films erased from runs", summary["run_files_erased"]),
            ("pages erased", ", ".join(summary["pages_erased"])),
            ("unfinished files left", summary["unfinished_left"]),
            ("release", summary["release"] or "none: nothing was ever ingested here"),
            ("versions deleted", ", ".join(summary.get("versions_deleted", []))),
            ("training folders deleted", len(summary.get("folders_deleted", []))),
        ]
    )
    console().print(
        "\nnames may still stand in what earlier runs left with Prefect (parameters, logs, artifacts), and in backups: "
        "docs/promotion.md says how to erase them"
    )


def show_relocation(result: Mapping[str, Any]) -> None:
    """Print what was rewritten after a workspace was moved."""
    if not result["forgotten"]:
        print("nothing to do: the runs and models are at home here")
    for old in result["forgotten"]:
        say(f"moved here from {old}")
    print(f"{result['addresses']} addresses rewritten, {result['models']} versions of models")
    for name in result["missing"]:
        say(f"warning: the files of {name} are not here")


def show_migration(result: Mapping[str, Any]) -> None:
    """Print what a migration changed, or would change."""
    if not result["changes"]:
        print(f"nothing to do: the workspace has layout {result['after']}")
    for change in result["changes"]:
        say(f"would change {change}" if result["dry_run"] else f"changed {change}")


def _reach(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    lost = ", ".join(f"{name} ({counted(count, 'clip')})" for name, count in summary["benchmarks"].items())
    return [("releases", ", ".join(summary["releases"])), ("benchmarks", lost)]


def _files(files: Sequence[Mapping[str, Any]]) -> None:
    if not files:
        return
    columns = [TableColumn("media"), TableColumn("file", 24, middle=True), TableColumn("corpus")]
    columns += [TableColumn("speaker", 8, middle=True), TableColumn("licence", 8, optional=True)]
    names = [readable_path(str(row["uri"])) for row in files]
    root = common_folder(names)
    if root:
        console().print(cell(f"files below {root}", "dim"), soft_wrap=True)
    cells = [
        [cell((row["media_id"] or "")[:12], "dim"), name[len(root) :], row["corpus"], row["speaker"], row["licence"]]
        for row, name in zip(files[:_SHOWN], names, strict=False)
    ]
    show(columns, cells)
    if len(files) > _SHOWN:
        console().print(f"and {len(files) - _SHOWN} more")
    console().print("")


def _labels(labels: Sequence[Mapping[str, Any]]) -> None:
    for label in labels[:_SHOWN]:
        console().print(cell(f"clip {label['clip_id'][:12]} {label['stage']}: {label['text']}"), soft_wrap=True)
    if len(labels) > _SHOWN:
        console().print(f"and {len(labels) - _SHOWN} more labels")
    if labels:
        console().print("")


def _models(models: Sequence[Mapping[str, Any]]) -> None:
    if not models:
        console().print("no registered model was trained on it\n")
        return
    columns = [TableColumn("model"), TableColumn("version", right=True), TableColumn("alias")]
    cells = [
        (
            row["model"],
            row["version"],
            cell(", ".join(row["aliases"]), "red"),
            "unknown" if row["clips"] is None else row["clips"],
        )
        for row in models
    ]
    show([*columns, TableColumn("clips", right=True)], cells)
    console().print("")


def _weights(summary: Mapping[str, Any]) -> None:
    """Print the trainings on that footage, and what to do about their weights."""
    trainings = summary["trainings"]
    if trainings:
        columns = [TableColumn("training folder on this machine", 20, middle=True), TableColumn("size", right=True)]
        answers = {True: "yes", False: "unknown: check it, and delete it manually"}
        cells = [
            (row["folder"], naturalsize(row["bytes"]), cell(answers[bool(row["known"])], "red")) for row in trainings
        ]
        show([*columns, TableColumn("trained on it")], cells)
        console().print("")
    is_certain = any(row["known"] for row in trainings) or any(row["clips"] for row in summary["models"])
    if is_certain and "versions_deleted" not in summary:
        console().print(
            "these weights stay, though none of the versions can be promoted or rolled back to: if they have to go "
            "as well, add --with-models\n"
        )

"""How lineage and takedowns look on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flows.cli.render.tables import TableColumn, cell, console, pairs, show
from schemas.display import common_folder, readable_path
from schemas.wording import counted

_SHOWN: Final = 20
"""Files or clips that are listed one by one; --json holds all of them."""


def show_model(told: Mapping[str, Any]) -> None:
    """A ModelTrace as a dictionary."""
    release = told["release"] or {}
    tables = ", ".join(f"{name} {number}" for name, number in release.get("tables", {}).items())
    clips = told["clips"]
    pairs(
        [
            ("model", f"{told['model']} version {told['version']}"),
            ("aliases", ", ".join(told["aliases"])),
            ("run", told["run"]),
            ("TAKEN DOWN", told["taken_down"]),
            ("release", f"{release['release_id']}, number {release['sequence']}" if release else "unknown here"),
            ("published", release.get("created_utc")),
            ("table versions", tables),
            ("code", release.get("code")),
            ("clips", "unknown" if clips is None else ", ".join(f"{len(own)} {split}" for split, own in clips.items())),
            ("files", f"{len(told['files'])}" + (f" and {told['gone']} taken down since" if told["gone"] else "")),
        ]
    )
    console().print("")
    _files(told["files"])
    for move in told["moves"]:
        console().print(
            f"{move['created_utc']} {move['kind']}: {move['from_version'] or 'none'} -> {move['to_version']}"
        )


def show_footage(told: Mapping[str, Any]) -> None:
    """A FootageTrace as a dictionary."""
    pairs([(told["kind"], told["value"]), *_reach(told), ("clips", len(told["clips"]))])
    console().print("")
    _files(told["files"])
    _models(told["models"])


def show_takedown(told: Mapping[str, Any], dry_run: bool) -> None:
    """The summary of a takedown, done or not."""
    console().print("would be erased\n" if dry_run else "erased\n")
    pairs(
        [
            (told["kind"], told["value"]),
            ("files", len(told["files"])),
            ("clips", f"{told['clips']} ({told['stage1']} in stage1, {told['stage2']} in stage2), {told['seconds']} s"),
            ("speakers", len(told["speakers"])),
            *_reach(told),
        ]
    )
    console().print("")
    _files(told["files"])
    if told["near_copies"] and not told["with_near_copies"]:
        count = counted(len(told["near_copies"]), "near-copy file")
        console().print(f"{count} of it would stay; --with-near-copies takes such along:\n")
        _files(told["near_copies"])
    _models(told["models"])
    if any("champion" in row["aliases"] and row["clips"] for row in told["models"]):
        console().print("the champion was trained on it: train anew and promote, or roll back to a clean version\n")
    _weights(told)
    if dry_run:
        return
    pairs(
        [
            ("takedown", told["takedown"]),
            ("earlier ones finished", ", ".join(told["finished"])),
            ("files erased", told["files_erased"]),
            ("pictures and films erased from runs", told["run_files_erased"]),
            ("pages erased", ", ".join(told["pages_erased"])),
            ("unfinished files left", told["unfinished_left"]),
            ("release", told["release"] or "none: nothing was ever ingested here"),
            ("versions deleted", ", ".join(told.get("versions_deleted", []))),
            ("training folders deleted", len(told.get("folders_deleted", []))),
        ]
    )
    console().print(
        "\nnames may still stand in what earlier runs left with Prefect (parameters, logs, artifacts), and in backups: "
        "docs/promotion.md says how to erase them"
    )


def _reach(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    lost = ", ".join(f"{name} ({counted(count, 'clip')})" for name, count in told["benchmarks"].items())
    return [("releases", ", ".join(told["releases"])), ("benchmarks", lost)]


def _files(files: Sequence[Mapping[str, Any]]) -> None:
    if not files:
        return
    columns = [
        TableColumn("media"),
        TableColumn("file", 24, middle=True),
        TableColumn("corpus"),
        TableColumn("speaker", 8, middle=True),
    ]
    columns += [TableColumn("licence", 8, optional=True)]
    names = [readable_path(str(row["uri"])) for row in files]
    root = common_folder(names)
    if root:
        console().print(cell(f"files below {root}", "dim"), soft_wrap=True)
    cells = [
        [
            cell((row["media_id"] or "")[:12], "dim"),
            cell(name[len(root) :]),
            *(cell(row[name]) for name in ("corpus", "speaker", "licence")),
        ]
        for row, name in zip(files[:_SHOWN], names, strict=False)
    ]
    show(columns, cells)
    if len(files) > _SHOWN:
        console().print(f"and {len(files) - _SHOWN} more")
    console().print("")


def _models(models: Sequence[Mapping[str, Any]]) -> None:
    if not models:
        console().print("no registered model was trained on it\n")
        return
    columns = [
        TableColumn("model"),
        TableColumn("version", right=True),
        TableColumn("alias"),
        TableColumn("clips", right=True),
    ]
    cells = [
        [
            cell(row["model"]),
            cell(row["version"]),
            cell(", ".join(row["aliases"]), "red"),
            cell("unknown" if row["clips"] is None else row["clips"]),
        ]
        for row in models
    ]
    show(columns, cells)
    console().print("")


def _weights(told: Mapping[str, Any]) -> None:
    """Weights that learned from it, and what to do about them."""
    trainings = told["trainings"]
    if trainings:
        show(
            [
                TableColumn("training folder on this machine", 20, middle=True),
                TableColumn("MB", right=True),
                TableColumn("learned from it"),
            ],
            [
                [
                    cell(row["folder"]),
                    cell(f"{row['bytes'] / 1e6:.1f}"),
                    cell("yes" if row["known"] else "does not say: look, and delete it by hand", "red"),
                ]
                for row in trainings
            ],
        )
        console().print("")
    sure = any(row["known"] for row in trainings) or any(row["clips"] for row in told["models"])
    if sure and "versions_deleted" not in told:
        console().print(
            "these weights stay, though none of the versions can be promoted or rolled back to: if they have to go "
            "as well, add --with-models\n"
        )

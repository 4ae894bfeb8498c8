"""README.md of an export: how the `datasets` library reads its Parquet, and what it holds for people."""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heterodub.schemas.contract import FPS
from heterodub.schemas.reasons import Stage

from .metadata import Contents
from .rows import UNITS
from .shards import features


def write_card(folder: Path, contents: Contents) -> None:
    """Write the card. Raises: OSError - it cannot be written."""
    front = {
        "pretty_name": f"heterodub release {contents.release.release_id}",
        "license": "other",
        "configs": [_config(contents, stage) for stage in contents.stages],
        "dataset_info": [_info(contents, stage) for stage in contents.stages],
    }
    counts = [
        f"| {stage} | {split} | {clips} |"
        for stage, splits in contents.stages.items()
        for split, clips in splits.items()
    ]
    licences = [f"| {_plain(name)} | {clips} |" for name, clips in contents.licences.items()]
    present = {name for stage in contents.stages for name in features(stage, contents.with_audio)}
    units = [f"| `{name}` | {meaning} |" for name, meaning in UNITS.items() if name in present]
    text = [
        f"# heterodub release {contents.release.release_id}\n",
        f"Clips of faces at {FPS} frames a second for visual dubbing: stage 1 from speech to landmarks, stage 2 from",
        "landmarks to picture. Speakers of one split are in no other. The clips show people: see the columns `licence`",
        "and `consent`. A takedown in the workspace does not reach this copy.\n",
        *("| stage | split | clips |", "|---|---|---|", *counts, ""),
        *("| licence | clips |", "|---|---|", *licences, ""),
        *("| column | meaning |", "|---|---|", *units, ""),
    ]
    # JSON is YAML, too
    (folder / "README.md").write_text("\n".join(["---", json.dumps(front, indent=2), "---", *text]))


def _plain(text: str) -> str:
    """Return a label on one line, without what Markdown or HTML would act on."""
    return html.escape(" ".join(text.split())).replace("|", "&#124;")


def _config(contents: Contents, stage: Stage) -> dict[str, Any]:
    splits = contents.stages[stage]
    return {
        "config_name": str(stage),
        "data_files": [{"split": split, "path": f"{stage}/{split}-*.parquet"} for split in splits],
    }


def _info(contents: Contents, stage: Stage) -> dict[str, Any]:
    of_stage = [file for file in contents.files if file.stage is stage]
    splits = [
        {
            "name": split,
            "num_bytes": sum(file.size_bytes for file in of_stage if file.split == split),
            "num_examples": clips,
        }
        for split, clips in contents.stages[stage].items()
    ]
    size = sum(file.size_bytes for file in of_stage)
    listed = [{"name": name} | _as_yaml(one) for name, one in features(stage, contents.with_audio).items()]
    return {
        "config_name": str(stage), "features": listed, "splits": splits, "download_size": size, "dataset_size": size,
    }  # fmt: skip


def _as_yaml(feature: Mapping[str, Any]) -> dict[str, Any]:
    """Return a feature as cards have it: the `datasets` library has two ways to write one."""
    match feature["_type"]:
        case "Value":
            return {"dtype": feature["dtype"]}
        case "List":
            inner = feature["feature"]
            return {"list": inner.get("dtype", "image")}
        case "Audio":
            return {"dtype": {"audio": {"sampling_rate": feature["sampling_rate"]}}}
    kind = feature["_type"].replace("Array", "array").replace("D", "_d")
    return {"dtype": {kind: {"shape": feature["shape"], "dtype": feature["dtype"]}}}

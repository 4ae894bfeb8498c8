"""A dry run of another policy over a million measured clips."""

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from heterodub.schemas.policy import DEFAULT_POLICY
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.tables import CLIPS
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_CHUNK = 50_000


def make(workspace: Path, clips: int) -> None:
    """Write `clips` synthetic rows, their signals drawn at random around the default limits."""
    store, draw = Workspace.open(str(workspace), create=True), np.random.default_rng(0)
    for start in range(0, clips, _CHUNK):
        tables.append_rows(store, "clips", _rows(start, min(_CHUNK, clips - start), draw))


def _rows(start: int, count: int, draw: np.random.Generator) -> pa.Table:
    ids = [f"{number:024x}" for number in range(start, start + count)]
    columns: dict[str, object] = {name: draw.gamma(2.0, 1.0, count) for name in SIGNAL_NAMES}
    columns |= {"clip_id": ids, "media_id": ids, "uri": ids, "speaker": ids, "corpus": ["bench"] * count}
    columns |= {name: ["bench"] * count for name in ("extractor", "backend", "policy")}
    columns |= {name: [0] * count for name in ("shot", "track", "start_frame")}
    columns |= {name: [100] * count for name in ("frames", "width", "height")}
    columns |= {"missing": [[]] * count, "picture_hash": [b""] * count, "sound_hash": [b""] * count}
    columns["face_motion"] = [b""] * count
    columns |= {"stage1": draw.random(count) < 0.5, "stage2": draw.random(count) < 0.5}
    columns |= {f"stage{n}_reasons": [["noisy"] if n == 1 else ["blurred"]] * count for n in (1, 2)}
    columns |= {
        name: pa.nulls(count, pa.string()) for name in ("split", "split_group", "near_copy_of", "same_scene_as")
    }
    return pa.table({name: columns[name] for name in CLIPS.names}, schema=CLIPS)


def bench(workspace: Path, clips: int) -> None:
    """Make the workspace and time `heterodub route --dry-run` on it, start-up included."""
    make(workspace, clips)
    command = [
        sys.executable,
        "-m",
        "heterodub.flows.cli.main",
        "route",
        "--policy",
        str(DEFAULT_POLICY),
        "--dry-run",
        "--json",
    ]
    started = time.perf_counter()
    answer = subprocess.run([*command, "-w", str(workspace)], capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if answer.returncode:
        raise SystemExit(answer.stderr)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    routed = json.loads(answer.stdout)["clips"]
    print(f"route --dry-run over {routed:,} clips: {seconds:.1f} s (at most 10), peak of any child {peak:.2f} GiB")
    shutil.rmtree(workspace)


if __name__ == "__main__":
    bench(Path(sys.argv[1]), int(sys.argv[2]))

"""Cost of the driver's own work as a corpus grows: each part at two sizes, in a process of its own.

`python -m tests.bench.growth PART N` runs one part over N made rows and prints JSON: processor seconds and the memory
it added to an idle process. No media is read; the rows are made beforehand and are not counted.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.ndimage import gaussian_filter1d

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import load_policy
from heterodub.schemas.records import RawFile
from heterodub.tasks.ingestion.catalog import catalog_batches
from heterodub.tasks.ingestion.plan import IngestPlan, plan_run
from heterodub.tasks.ingestion.reroute import plan_reroute
from heterodub.tasks.monitoring.drift import find_drift
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.audit.audit import audit
from heterodub.tasks.releases.publishing import assign
from heterodub.tasks.stores import delta, parts, tables
from heterodub.tasks.stores.delta import DataFile, TableChange
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample

SIZES = (5_000, 50_000)
_CHUNK = 20_000
NEW = 10_000
"""Clips that a run adds to those that are there."""
FRAMES = (135, 147)
"""Frames of a clip, at least and less than: as those of real footage, which have a word of sound and of movement each.
"""


@dataclass(frozen=True)
class GrowthPart:
    """A piece of the driver's work. per: what it grows with, file or clip. make: writes N of them beforehand.

    patience_s: what it may take; an hour for what is done once a run, for a commit the time between two of them.
    """

    per: str
    make: Callable[[Workspace, int], None]
    work: Callable[[Workspace, int], object]
    patience_s: float = 3600.0


@dataclass(frozen=True)
class Cost:
    """Processor seconds and MiB of one run over `count` files or clips."""

    count: int
    seconds: float
    mib: float


def bench() -> None:
    """Print how much each part grows where a corpus grows tenfold: 0 is not at all, 1 in proportion."""
    for name in PARTS:
        small, large = (measure(name, count) for count in SIZES)
        power = math.log(large.seconds / small.seconds) / math.log(SIZES[1] / SIZES[0])
        print(f"{'growth of ' + name:48s} {power:.2f} in time, {large.mib - small.mib:.0f} MiB more", flush=True)


def measure(part: str, count: int) -> Cost:
    """Run a part in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.growth", part, str(count)]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(answer.stderr)
    return Cost(count, **json.loads(answer.stdout))


def _nothing(ws: Workspace, count: int) -> None:
    return


def _files(ws: Workspace, count: int) -> None:
    for start in range(0, count, _CHUNK):
        rows = (sample.catalog_row(number) for number in range(start, min(start + _CHUNK, count)))
        tables.append_rows(ws, "catalog", sample.catalog(*rows))


def _clips(ws: Workspace, count: int) -> None:
    _append_clips(ws, 0, count)


def _append_clips(ws: Workspace, first: int, end: int) -> None:
    for start in range(first, end, _CHUNK):
        tables.append_rows(ws, "clips", made_clips(start, min(start + _CHUNK, end)))


def made_clips(start: int, end: int) -> pa.Table:
    """Rows of `clips`, published, that both stages refuse: no two alike, each of a person of its own, fingerprints as
    long as those of real footage.
    """
    chance, count = np.random.default_rng(start), end - start
    refused: dict[str, Any] = {
        "stage1": False,
        "stage2": False,
        "stage1_reasons": ["noisy"],
        "stage2_reasons": ["blurred"],
    }
    rows = sample.clips(sample.clip_row(0, **refused)).take(np.zeros(count, int))
    frames = chance.integers(*FRAMES, count)
    movement = gaussian_filter1d(chance.standard_normal((frames.sum(), 4), np.float32), 2, axis=0)
    track = np.clip(np.rint(25 * movement / movement.std()), -127, 127).astype(np.int8)
    columns = {
        "clip_id": pa.array([sample.clip_id(number) for number in range(start, end)]),
        "media_id": pa.array([sample.media_id(number) for number in range(start, end)]),
        "uri": pa.array([f"/footage/{number}.mp4" for number in range(start, end)]),
        "speaker": pa.array([f"speaker {number}" for number in range(start, end)]),
        "split_group": pa.array([f"speaker {number}" for number in range(start, end)]),
        "split": pc.take(pa.array(["train", "val", "test"]), pa.array(np.arange(start, end) % 3)),
        "person": (people := pa.array([f"p{number:011d}" for number in range(start, end)])),
        "person_found": people,
        "person_cause": pa.array(["stated"] * count),
        "frames": pa.array(frames),
        "picture_hash": pieces_of(chance.bytes(40 * count), np.full(count, 40)),
        "sound_hash": pieces_of(chance.bytes(4 * int(frames.sum())), 4 * frames),
        "face_motion": pieces_of(track.tobytes(), 4 * frames),
    }
    for name, column in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    return rows


def pieces_of(data: bytes, lengths: np.ndarray) -> pa.Array:
    """Bytes as values of these lengths, one behind the other."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _all_but_new(ws: Workspace, count: int) -> None:
    """Clips that were compared with each other and divided, and NEW that were not."""
    _append_clips(ws, 0, count)
    fresh = made_clips(count, count + NEW)
    for name in ("split", "split_group", "person", "person_found", "person_cause"):
        fresh = fresh.set_column(fresh.schema.get_field_index(name), name, pa.nulls(NEW, pa.string()))
    tables.append_rows(ws, "clips", fresh)


def _both(ws: Workspace, count: int) -> None:
    _files(ws, count)
    _clips(ws, count)


def _released(ws: Workspace, count: int) -> None:
    _clips(ws, count)
    _release(ws, count)
    _append_clips(ws, count, count + count // 10)


def _audited(ws: Workspace, count: int) -> None:
    """Files and clips that were audited, and NEW that were not."""
    _both(ws, count)
    _audit(ws, count)
    rows = (sample.catalog_row(number) for number in range(count, count + NEW))
    tables.append_rows(ws, "catalog", sample.catalog(*rows))
    _append_clips(ws, count, count + NEW)


def _parts(ws: Workspace, count: int) -> None:
    """The log alone: what a commit reads is the names of the parts, not the parts."""
    named = tuple(_part(number) for number in range(count))
    delta.transact(ws, "stage1", lambda before: TableChange(named))


def _part(number: int) -> DataFile:
    media, clip = sample.media_id(number), sample.clip_id(number)
    bounds = {"media_id": (media, media), "clip_id": (clip, clip)}
    return DataFile(parts.part_name(media, sample.EXTRACTOR, "0123456789ab"), 100_000, 1, bounds)


def _list_known(ws: Workspace, count: int) -> IngestPlan:
    """Every file of the catalog again, none of which has changed."""

    def listed() -> Iterator[RawFile]:
        for number in range(count):
            yield RawFile(f"/footage/{number}.mp4", 1000, "1")

    plan = plan_run(listed(), partial(catalog_batches, ws), sample.EXTRACTOR, False)
    assert plan.unchanged == count
    return plan


def _list(ws: Workspace, count: int) -> object:
    def listed() -> Iterator[RawFile]:
        for number in range(count):
            yield RawFile(f"/footage/of/some/corpus/{number:09d}.mp4", 10_000_000, f"10000000-{number}", "web")

    return plan_run(listed(), partial(catalog_batches, ws), sample.EXTRACTOR, False)


def _append(ws: Workspace, count: int) -> object:
    return delta.transact(ws, "stage1", lambda before: TableChange((_part(count + 1),)))


def _release(ws: Workspace, count: int) -> object:
    origin = releases.ReleaseProvenance(sample.BACKEND, sample.EXTRACTOR, "0123456789ab", "0123456789ab", "1")
    return releases.publish(ws, releases.current_versions(ws), origin, {})


def _audit(ws: Workspace, count: int) -> object:
    with tempfile.TemporaryDirectory() as folder:
        return audit(ws, releases.current_versions(ws), Path(folder))


PARTS = {
    "list files": GrowthPart("file", _nothing, _list),
    "list known files": GrowthPart("file", _files, _list_known),
    "append to a log": GrowthPart("file", _parts, _append, patience_s=30.0),
    "near-copies, splits": GrowthPart("clip", _all_but_new, lambda ws, count: assign(ws, Settings().splits)),
    "first audit": GrowthPart("clip", _both, _audit),
    "audit": GrowthPart("clip", _audited, _audit),
    "release": GrowthPart("clip", _clips, _release),
    "drift": GrowthPart("clip", _released, lambda ws, count: find_drift(ws, Settings())),
    "dry run": GrowthPart("clip", _clips, lambda ws, count: plan_reroute(ws, load_policy())),
}


def main() -> None:
    """Make the rows in one process, and work on them in this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("count", type=int)
    parser.add_argument("--make", help="only make the rows, in this workspace")
    given = parser.parse_args()
    if given.make:
        PARTS[given.part].make(Workspace.open(given.make, create=True), given.count)
        return
    with tempfile.TemporaryDirectory(prefix="heterodub-growth-") as place:
        subprocess.run(
            [sys.executable, "-m", "tests.bench.growth", given.part, str(given.count), "--make", place], check=True
        )
        ws = Workspace.open(place, create=True)  # a part that lists files makes none
        pa.set_memory_pool(pa.system_memory_pool())
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, at what is held now
        before, started = _peak_mib(), time.process_time()
        PARTS[given.part].work(ws, given.count)
        print(json.dumps({"seconds": time.process_time() - started, "mib": _peak_mib() - before}))


def _peak_mib() -> float:
    """Not getrusage's: a process that was started by a large one inherits that one's peak."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()

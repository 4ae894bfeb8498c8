"""Cost of the commands that read a workspace, as a user runs them, and how it grows with the workspace.

    python -m tests.bench.reading [CLIPS] [TIMES] [--in FOLDER] [--only WORDS]

makes workspaces of CLIPS and of TIMES as many clips and files, runs each command on both, and prints processor seconds
and peak memory of its whole process tree, start-up included; an exponent of 1 is work that grows with the workspace.
With `--in`, workspaces are made there once and stay. The rows are made by the project's own writing and compaction, as
ingests of twenty corpora commit them: signals and fingerprints as long as those of real footage; the payload is one
frame a clip, in merged files as a publish leaves them. A release holds all corpora but the last. What fails ends it.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import pyarrow as pa

from heterodub.schemas.reasons import ClipReason
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import TableChange, transact
from heterodub.tasks.stores.merging import PART_CLIPS
from heterodub.tasks.stores.parquet import write_file
from heterodub.tasks.stores.workspace import Workspace
from tests.bench.growth import FRAMES, pieces_of
from tests.tasks.stores import sample_rows as sample

_COMMIT: Final = 5_000
"""Files of a commit; a clip for each, on average."""
_SMALL_FILES: Final = 64  # that an ingest lets stand
_PARTS: Final = 200
"""Clips of the end whose payload is not merged yet."""
_POOL: Final = 1_000
"""Different rows of labels, reasons and streams."""
_CORPORA: Final = 20
_FILES_A_SPEAKER: Final = 50
_CLIPS_OF: Final = (0, 0, 1, 1, 1, 1, 1, 1, 2, 2)
"""Clips of a file, by the last digit of its number."""
_ADMITTED: Final = {"stage1": 0.36, "stage2": 0.67}

_FINDS_NOTHING: Final = "explain, of nothing"
_LAUNCHER: Final = """
import json, os, sys
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(child, 0)
code = os.waitstatus_to_exitcode(status)
print(json.dumps({"code": code, "seconds": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}))
"""
"""Runs a command from a process that is smaller than it, whose own peak it would otherwise inherit."""


def _clips_before(file: int) -> int:
    """Clips of all files before one."""
    whole, rest = divmod(file, len(_CLIPS_OF))
    return whole * sum(_CLIPS_OF) + sum(_CLIPS_OF[:rest])


def _a_corpus(count: int) -> int:
    return -(-count // _CORPORA)


def _places(first: int, end: int, count: int) -> np.ndarray:
    """Return the places in the source of the files that are worked on then: a corpus after the other, each in no order
    of its own.
    """
    many = _a_corpus(count)
    step = next(odd for odd in range(int(0.618 * many) | 1, 3 * many, 2) if math.gcd(odd, many) == 1)
    numbers = np.arange(first, end, dtype=np.int64)
    return numbers // many * many + numbers % many * step % many


def _uris(places: np.ndarray, count: int) -> list[str]:
    return [
        f"/footage/corpora/collection-{place // _a_corpus(count):02d}/speaker {place // _FILES_A_SPEAKER:06d}/"
        f"2024-05-{place % 28 + 1:02d} interview {place:08d}.mp4"
        for place in places.tolist()
    ]


def _pick(pool: list[Any], kind: pa.DataType, draw: np.random.Generator, count: int) -> pa.Array:
    return pa.array(pool, kind).take(pa.array(draw.integers(0, len(pool), count)))


def _set(rows: pa.Table, columns: dict[str, Any]) -> pa.Table:
    for name, values in columns.items():
        field = rows.schema.field(name)
        column = values if isinstance(values, pa.Array) else pa.array(values, field.type)
        rows = rows.set_column(rows.schema.get_field_index(name), field, column.cast(field.type))
    return rows


def _catalog(first: int, end: int, count: int) -> pa.Table:
    draw = np.random.default_rng(first)
    streams = [
        [
            {"stream": 0, "kind": "picture", "codec": "h264", "is_default": True, "title": "Main", "used": True},
            {"stream": 1, "kind": "sound", "codec": "aac", "is_default": True, "language": language, "rate_hz": 48_000},
        ]
        for language in ("eng", "deu", "fra", "jpn")
    ]
    row = sample.catalog_row(0, licence="CC BY 4.0", consent="yes", video_codec="h264", sound_codec="aac")
    rows = sample.catalog(row).take(pa.array(np.zeros(end - first, int)))
    places, numbers = _places(first, end, count), np.arange(first, end)
    clips = np.array(_CLIPS_OF)[numbers % len(_CLIPS_OF)]
    states = np.where(clips > 0, "measured", np.where(numbers % 100 == 1, "duplicate", "rejected"))
    seconds = draw.gamma(2.0, 4.0, end - first)
    return _set(
        rows,
        {
            "uri": _uris(places, count),
            "media_id": [sample.media_id(number if number % 100 != 1 else number + 1) for number in numbers.tolist()],
            "stamp": [f"{number}-1700000000.{number % 997}" for number in numbers.tolist()],
            "size_bytes": draw.integers(1e6, 1e8, end - first),
            "corpus": [f"collection-{place // _a_corpus(count):02d}" for place in places.tolist()],
            "speaker": [f"speaker {place // _FILES_A_SPEAKER:06d}" for place in places.tolist()],
            "state": states.tolist(),
            "reason": [
                None if many else ("no_face", "too_short")[number // 10 % 2] for number, many in enumerate(clips)
            ],
            "clips": clips,
            "media_s": seconds,
            "duration_s": seconds,
            "streams": _pick(streams, rows.schema.field("streams").type, draw, end - first),
        },
    )


def _clips(first: int, end: int, count: int, published: bool) -> pa.Table:
    """Rows of `clips` of the files from `first` to `end`."""
    draw, numbers = np.random.default_rng(first), np.arange(first, end)
    files = np.repeat(numbers, np.array(_CLIPS_OF)[numbers % len(_CLIPS_OF)])
    many = len(files)
    frames = draw.integers(*FRAMES, many)
    rows = sample.clips(sample.clip_row(0)).take(pa.array(np.zeros(many, int)))
    places = _places(0, end, count)[files]
    reasons, missing = [str(reason) for reason in ClipReason], rows.schema.field("missing").type
    refusals: dict[str, Any] = {}
    for stage, share in _ADMITTED.items():
        admitted = draw.random(many) < share
        pool = [draw.choice(reasons, draw.integers(1, 4), replace=False).tolist() for _ in range(_POOL)]
        places_in = pa.array(np.where(admitted, _POOL, draw.integers(0, _POOL, many)))
        refusals |= {stage: admitted, f"{stage}_reasons": pa.array([*pool, []], pa.list_(pa.string())).take(places_in)}
    silent = draw.random(many) < 0.05
    causes = pa.array([[], [("snr_db", "no_sound"), ("speech_share", "no_sound")]], missing).take(
        pa.array(silent.astype(int))
    )
    signals: dict[str, Any] = {name: pa.array(draw.gamma(2.0, 1.0, many)) for name in SIGNAL_NAMES}
    signals |= {name: pa.array(draw.gamma(2.0, 5.0, many), mask=silent) for name in ("snr_db", "speech_share")}
    splits = np.array(["train", "train", "train", "train", "val", "test"])[places // _FILES_A_SPEAKER % 6]
    speakers = [f"speaker {place // _FILES_A_SPEAKER:06d}" for place in places.tolist()]
    return _set(
        rows,
        {
            **signals,
            **refusals,
            "missing": causes,
            "clip_id": [sample.clip_id(number) for number in range(_clips_before(first), _clips_before(end))],
            "frames": frames,
            "picture_hash": pieces_of(draw.bytes(40 * many), np.full(many, 40)),
            "sound_hash": pieces_of(draw.bytes(4 * int(frames.sum())), 4 * frames),
            "face_motion": pieces_of(draw.bytes(4 * int(frames.sum())), 4 * frames),
            "media_id": [sample.media_id(number) for number in files.tolist()],
            "uri": _uris(places, count),
            "corpus": [f"collection-{place // _a_corpus(count):02d}" for place in places.tolist()],
            "speaker": speakers,
            "start_frame": draw.integers(0, 20_000, many),
            "split": splits.tolist() if published else pa.nulls(many, pa.string()),
            "split_group": speakers if published else pa.nulls(many, pa.string()),
        },
    )


def make(place: Path, clips: int) -> Workspace:
    """A workspace of as many clips as files, as many ingests leave it."""
    ws, first_unpublished = Workspace.open(str(place), create=True), clips * 19 // 20 // _COMMIT * _COMMIT
    admitted: dict[str, list[pa.Table]] = {stage: [] for stage in _ADMITTED}
    released = False
    for first in range(0, clips, _COMMIT):
        end = min(first + _COMMIT, clips)
        if first >= first_unpublished and not released:
            _store_payload(ws, admitted, 0)
            _release(ws)
            admitted, released = {stage: [] for stage in _ADMITTED}, True
        rows = _clips(first, end, clips, first < first_unpublished)
        for stage, parts in admitted.items():
            parts.append(rows.filter(rows[stage]).select(["clip_id", "media_id"]))
        for table, written in (("clips", rows), ("catalog", _catalog(first, end, clips))):
            tables.append_rows(ws, table, written)
            tables.compact(ws, table, _SMALL_FILES)
    _store_payload(ws, admitted, _PARTS)
    return ws


def _store_payload(ws: Workspace, admitted: dict[str, list[pa.Table]], single: int) -> None:
    for stage, parts in admitted.items():
        ids = pa.concat_tables(parts)
        merged = ids.slice(single).sort_by("media_id")
        groups = [merged.slice(start, PART_CLIPS) for start in range(0, merged.num_rows, PART_CLIPS)]
        groups += [ids.slice(number, 1) for number in range(min(single, ids.num_rows))]
        files = [write_file(ws, stage, "merged-{content}.parquet", [_payload(stage, group)]) for group in groups]
        change = TableChange(tuple(file for file in files if file))
        transact(ws, stage, lambda before, change=change: change)  # type: ignore[misc]


def _payload(stage: str, ids: pa.Table) -> pa.Table:
    crop = cv2.imencode(".jpg", np.full((64, 64, 3), 128, np.uint8))[1].tobytes()
    speech, pictures = sample.stage1_row(0, length=1), sample.stage2_row(0, length=1, crops=[crop])
    row = sample.stage1(speech) if stage == "stage1" else sample.stage2(pictures)
    rows = row.take(pa.array(np.zeros(ids.num_rows, int)))
    return _set(rows, {name: ids[name].combine_chunks() for name in ("clip_id", "media_id")})


def _release(ws: Workspace) -> None:
    origin = releases.ReleaseProvenance(sample.BACKEND, sample.EXTRACTOR, "0123456789ab", "0123456789ab", "1")
    releases.publish(ws, releases.current_versions(ws), origin, {})


def commands(clips: int) -> dict[str, list[str]]:
    """The commands that are measured, by what the table calls them."""
    number = clips // 2 // 10 * 10 + 8  # of a file with two clips
    (uri,) = _uris(_places(number, number + 1, clips), clips)
    media, clip = sample.media_id(number), sample.clip_id(_clips_before(number))
    speaker, takedown = uri.split("/")[4], ["takedown", "--dry-run"]
    return {
        "status": ["status"],
        "list --limit": ["list", "--limit", "20"],
        "list --state --limit": ["list", "--state", "rejected", "--limit", "20"],
        "list --route --limit": ["list", "--route", "both", "--limit", "20"],
        "list --clips --limit": ["list", "--clips", "--limit", "20"],
        "list --clips --reason --limit": ["list", "--clips", "--reason", "noisy", "--limit", "20"],
        "explain, a whole address": ["explain", uri],
        "explain, the end of one": ["explain", uri.rsplit("/", 1)[-1]],
        "explain, the start of a media id": ["explain", media[:12]],
        "explain, the start of a clip id": ["explain", clip[:12]],
        _FINDS_NOTHING: ["explain", "2024-05-99 interwiew.mp4"],
        "doctor": ["doctor"],
        "report": ["report", "--media", "none"],
        "takedown --speaker --dry-run": [*takedown, "--speaker", speaker],
        "takedown --corpus --dry-run": [*takedown, "--corpus", "collection-03"],
        "takedown --file --dry-run": [*takedown, "--file", uri],
    }


def run(name: str, arguments: list[str], workspace: Path) -> tuple[float, float]:
    """Run a command on a workspace; return processor seconds and peak memory in MiB of its process tree.

    Raises: SystemExit - it failed, or found what is not there.
    """
    command = [sys.executable, "-m", "heterodub.flows.cli.main", *arguments, "-w", str(workspace)]
    answer = subprocess.run([sys.executable, "-S", "-E", "-c", _LAUNCHER, *command], capture_output=True, text=True)
    result = json.loads(answer.stdout)
    if result["code"] != (name == _FINDS_NOTHING) or "Traceback" in answer.stderr:
        raise SystemExit(f"`{name}` ended with {result['code']}, so its cost is not that of its work\n{answer.stderr}")
    return result["seconds"], result["mib"]


def _measured(sizes: tuple[int, int], folder: Path, only: str) -> Iterator[str]:
    places = {clips: folder / f"reading-{clips}" for clips in sizes}
    for clips, place in places.items():
        if not (place / "ready").exists():
            make(place, clips)
            (place / "ready").touch()
    few, many = sizes
    for name in commands(few):
        if only in name:
            costs = [run(name, commands(clips)[name], place) for clips, place in places.items()]
            (small, small_mib), (large, large_mib) = costs
            exponent = math.log(large / small, many / few)
            yield f"| `{name}` | {small:.2f} | {large:.2f} | {exponent:.2f} | {small_mib:.0f} | {large_mib:.0f} |"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=int, nargs="?", default=100_000)
    parser.add_argument("times", type=int, nargs="?", default=10)
    parser.add_argument("--in", dest="folder", type=Path, help="make the workspaces here, or use those that are here")
    parser.add_argument("--only", default="", help="only commands with these words")
    given = parser.parse_args()
    few, many = given.clips, given.clips * given.times
    print(f"| command | {few:,} clips, core-s | {many:,} | exponent | MiB | MiB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="heterodub-reading-") as place:
        for line in _measured((few, many), given.folder or Path(place), given.only):
            print(line, flush=True)


if __name__ == "__main__":
    main()

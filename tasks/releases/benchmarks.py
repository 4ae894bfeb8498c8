"""Benchmarks: the clips that models are evaluated on, frozen with their content, for one stage and line of releases.

A line is the releases of one extractor: their clips are measured alike. A benchmark is the test split as it was when
it was frozen; speakers who come later do not enter it until it is frozen anew, which makes another one with another
hash. Its clips, files, speakers and all speakers joined to them by near-copies are kept out of every training
(tasks/training/clip_selection.py).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.errors import PromotionError
from heterodub.schemas.ledger_tables import BENCHMARKS
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import TABLES
from heterodub.tasks.identity.units import counted_as
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

from .releases import Release, current_versions, newest_of_line, read_release, release_clips

CLIPS_A_SPEAKER: Final = 4
"""Clips that count of one speaker: more would show more of the same voice, and cost time."""

_HELD_OUT: Final = ["clip_id", "media_id", "speaker", "split_group"]


@dataclass(frozen=True, slots=True)
class BenchmarkClip:
    """One clip. speaker: as stated when it was frozen, or of `scored`, whom it counts as. content: sha256 over its
    stored row.
    """

    clip_id: str
    media_id: str
    speaker: str
    split_group: str
    content: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Frozen clips, by id. `benchmark` is the hash of all of them; every score made with them states it."""

    benchmark: str
    sequence: int
    stage: Stage
    line: str
    created_utc: str
    release: str
    reason: str
    clips: tuple[BenchmarkClip, ...]

    @property
    def speakers(self) -> int:
        """Number of speakers."""
        return len({clip.speaker for clip in self.clips})

    def summary(self) -> dict[str, Any]:
        """Return its facts, ready for JSON."""
        names = ("benchmark", "sequence", "line", "created_utc", "release", "reason")
        return {name: getattr(self, name) for name in names} | {"clips": len(self.clips), "speakers": self.speakers}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Clips, media, speakers and groups of all benchmarks ever frozen; none of them may be trained on."""

    clips: frozenset[str]
    media: frozenset[str]
    speakers: frozenset[str]
    groups: frozenset[str]

    def holds(self, clip_id: str, media_id: str, speaker: str, group: str | None) -> bool:
        """Return True if a clip belongs to a benchmark, or to somebody in one."""
        return (
            clip_id in self.clips or media_id in self.media or speaker in self.speakers or group in self.groups
        )  # fmt: skip


def standing(ws: Workspace, stage: Stage, line: str) -> Benchmark | None:
    """Return the newest benchmark of a stage and line; None before the first.

    Raises: PromotionError - it is incomplete: its rows do not make up its hash.
    """
    chosen = (pc.field("stage") == stage.value) & (pc.field("line") == line)
    rows = tables.read_any(ws, "benchmarks", filter=chosen).to_pylist()
    if not rows:
        return None
    newest = max(row["sequence"] for row in rows)
    benchmark = _benchmark([row for row in rows if row["sequence"] == newest])
    if not _is_whole(benchmark):
        raise PromotionError(
            f"benchmark {benchmark.benchmark} is not whole any more (a takedown took clips out of it, or its table was "
            "changed): `heterodub benchmark --refreeze --reason TEXT` freezes another"
        )
    return benchmark


def freeze(ws: Workspace, release: Release, stage: Stage, reason: str, refreeze: bool = False) -> Benchmark:
    """Return the benchmark of the release's line: the one that stands, else the test split of the line's newest
    release, frozen now: one of an older release would lack the speakers who came since.

    refreeze: freeze the test split anew, even where one stands. The same clips with the same content are the same one.

    Raises: PromotionError - the test split is empty, or the one that stands is not whole. NotFoundError - the release
    was erased.
    """
    if not refreeze and (existing := standing(ws, stage, release.extractor)):
        return existing
    release = newest_of_line(ws, release.extractor) or release
    clips = _test_clips(ws, release, stage)
    if not clips:
        raise PromotionError(
            f"release {release.release_id} has no {stage.value} clip in its test split, so there is nothing to "
            "evaluate on: ingest more speakers"
        )
    identity = _identity(stage, release.extractor, clips)
    benchmark = Benchmark(
        identity, 0, stage, release.extractor, datetime.now(UTC).isoformat(timespec="seconds"), release.release_id,
        reason, clips,
    )  # fmt: skip
    tables.append_after(ws, "benchmarks", lambda before: _fresh_rows(before, benchmark, refreeze))
    stored = standing(ws, stage, release.extractor)
    if stored is None:
        raise PromotionError(f"benchmark {identity} was written and is not there: another process deletes rows")
    return stored


def verify(ws: Workspace, benchmark: Benchmark, version: tables.TableVersion) -> None:
    """Compare the benchmark's clips in a version of the stage's table, or files of a release, with what was frozen.

    Raises: PromotionError - a clip is gone, or its content is another.
    """
    media = sorted({clip.media_id for clip in benchmark.clips})
    clip_ids = pa.array([clip.clip_id for clip in benchmark.clips])
    contents = _contents(
        batch.filter(pc.is_in(batch["clip_id"], value_set=clip_ids))
        for batch in tables.batches(
            ws, benchmark.stage.value, version, keep=lambda file: file.may_hold("media_id", media)
        )
    )
    gone = [clip.clip_id for clip in benchmark.clips if clip.clip_id not in contents]
    other = [clip.clip_id for clip in benchmark.clips if contents.get(clip.clip_id, clip.content) != clip.content]
    for what, clips in (("not stored any more", gone), ("stored with other content", other)):
        if clips:
            raise PromotionError(
                f"{len(clips)} of {len(benchmark.clips)} clips of benchmark {benchmark.benchmark} are {what}, such as "
                f"{clips[0]}: scores on it would not be comparable. `heterodub benchmark --refreeze --reason TEXT` "
                "freezes another"
            )


def frozen(ws: Workspace, release: Release, stage: Stage, reason: str, refreeze: bool = False) -> Benchmark:
    """Return the benchmark as `freeze` does, compared with the clips that are stored now. Raises: as freeze, verify."""
    benchmark = freeze(ws, release, stage, reason, refreeze)
    verify(ws, benchmark, current_versions(ws)[stage.value])
    return benchmark


def scored(ws: Workspace, benchmark: Benchmark) -> Benchmark:
    """Return the benchmark, under its hash, with the clips that count in scores, and for their speakers the people whom
    they count as by now. Left out are people who have clips in the train or val split, too, found to be one person
    after both were divided.

    Raises: PromotionError - none is left. WorkspaceError - the table cannot be read.
    """
    rows = tables.read_any(ws, "clips", ["clip_id", "speaker", "person", "split"])
    ids = pa.array([clip.clip_id for clip in benchmark.clips], pa.string())
    counted = counted_as(rows).take(pc.index_in(ids, rows["clip_id"].combine_chunks())).to_pylist()
    rows = rows.filter(pc.is_valid(rows["person"]))
    people = pc.unique(rows["person"].filter(pc.is_in(rows["clip_id"], ids)).combine_chunks())
    elsewhere = pc.and_(pc.is_in(rows["person"], people), pc.is_in(rows["split"], pa.array(["train", "val"])))
    seen = pc.unique(rows["person"].filter(elsewhere).combine_chunks())
    left_out = set(rows["clip_id"].filter(pc.is_in(rows["person"], seen)).to_pylist())
    clips = tuple(
        replace(clip, speaker=speaker or clip.speaker)
        for clip, speaker in zip(benchmark.clips, counted, strict=True)
        if clip.clip_id not in left_out
    )
    if not clips:
        raise PromotionError(
            f"all people of benchmark {benchmark.benchmark} are in the train or val split, too (`heterodub speakers "
            "list` names them): ingest more people, then `heterodub benchmark --refreeze --reason TEXT`"
        )
    return replace(benchmark, clips=clips)


def held_out(ws: Workspace) -> HeldOut:
    """Return everything that any benchmark holds, of either stage and every line.

    Speakers and groups are those of then and of now: labels may have changed since.
    """
    rows = tables.read_any(ws, "benchmarks", _HELD_OUT)
    media = pc.field("media_id").isin(rows["media_id"].combine_chunks())
    now = tables.read_any(ws, "clips", _HELD_OUT, media)
    sets = [frozenset([*rows[name].to_pylist(), *now[name].drop_null().to_pylist()]) for name in _HELD_OUT]
    return HeldOut(*sets)


Clip = TypeVar("Clip")


def first_a_speaker(clips: Iterable[Clip], speaker: Callable[[Clip], str], most: int) -> list[Clip]:
    """Return the first `most` clips of each speaker, in the order given. speaker: of a clip, whom it counts as."""
    seen: Counter[str] = Counter()
    chosen = []
    for clip in clips:
        seen[speaker(clip)] += 1
        if seen[speaker(clip)] <= most:
            chosen.append(clip)
    return chosen


def _test_clips(ws: Workspace, release: Release, stage: Stage) -> tuple[BenchmarkClip, ...]:
    rows = release_clips(ws, release, stage, "test", [*_HELD_OUT, "person"])
    counted = dict(zip(rows["clip_id"].to_pylist(), counted_as(rows).to_pylist(), strict=True))
    listed = rows.select(_HELD_OUT).sort_by("clip_id").to_pylist()
    chosen = [
        row | {"split_group": row["split_group"] or row["speaker"]}
        for row in first_a_speaker(listed, lambda row: counted[row["clip_id"]], CLIPS_A_SPEAKER)
    ]
    contents = _contents(read_release(ws, release, stage, "test"))
    return tuple(BenchmarkClip(**row, content=contents[row["clip_id"]]) for row in chosen if row["clip_id"] in contents)


def _contents(batches: Iterable[pa.RecordBatch]) -> dict[str, str]:
    """Compute sha256 over each stored row, by clip. However rows are arranged in files, a clip's is the same."""
    contents = {}
    for batch in batches:
        for number, clip_id in enumerate(batch["clip_id"].to_pylist()):
            digest = hashlib.sha256()
            for name in TABLES["stage1" if "mel" in batch.schema.names else "stage2"].names:
                digest.update(name.encode())
                _add(digest, batch[name].slice(number, 1))
            contents[clip_id] = digest.hexdigest()
    return contents


def _add(digest: Any, values: pa.Array) -> None:
    """Add the values of a cell, however deep they lie, to a hash; lengths too, so that nothing can be shifted."""
    while pa.types.is_list(values.type):
        digest.update(f"[{len(values)}".encode())
        digest.update(pc.list_value_length(values).to_numpy(zero_copy_only=False).tobytes())
        values = values.flatten()
    if pa.types.is_floating(values.type):
        digest.update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes())
    else:
        for value in values.to_pylist():
            data = value if isinstance(value, bytes) else str(value).encode()
            digest.update(f"{len(data)}:".encode() + data)


def _identity(stage: Stage, line: str, clips: Iterable[BenchmarkClip]) -> str:
    rows = sorted(astuple(clip) for clip in clips)
    return "b" + hashlib.sha256(json.dumps([stage.value, line, rows]).encode()).hexdigest()[:12]


def _is_whole(benchmark: Benchmark) -> bool:
    return _identity(benchmark.stage, benchmark.line, benchmark.clips) == benchmark.benchmark


def _fresh_rows(before: pa.Table, benchmark: Benchmark, refreeze: bool) -> pa.Table:
    """Return the rows to add, given those there are: none if another process froze one, or if it stands already."""
    same = [row for row in before.to_pylist() if (row["stage"], row["line"]) == (benchmark.stage.value, benchmark.line)]
    newest = max((row["sequence"] for row in same), default=0)
    stands = _benchmark([row for row in same if row["sequence"] == newest]) if same else None
    if stands and (not refreeze or (benchmark.benchmark == stands.benchmark and _is_whole(stands))):
        return BENCHMARKS.empty_table()
    return pa.Table.from_pylist([_row(benchmark, newest + 1, clip) for clip in benchmark.clips], schema=BENCHMARKS)


def _row(benchmark: Benchmark, sequence: int, clip: BenchmarkClip) -> dict[str, Any]:
    of_all = {name: getattr(benchmark, name) for name in ("benchmark", "line", "created_utc", "release", "reason")}
    return of_all | asdict(clip) | {"stage": benchmark.stage.value, "sequence": sequence}


def _benchmark(rows: list[Mapping[str, Any]]) -> Benchmark:
    first = rows[0]
    of_clip = [field.name for field in fields(BenchmarkClip)]
    clips = (BenchmarkClip(**{name: row[name] for name in of_clip}) for row in rows)
    return Benchmark(
        first["benchmark"], first["sequence"], Stage(first["stage"]), first["line"], first["created_utc"],
        first["release"], first["reason"], tuple(sorted(clips, key=lambda clip: clip.clip_id)),
    )  # fmt: skip

"""People found among real films, beside the truth, with no speaker stated; and growth of the work with the workspace.

    python -m tests.bench.people WORKSPACE MANIFEST.csv [--limits 0.4,0.45,0.5]
    python -m tests.bench.people --growth [CLIPS] [--times N]

The workspace holds the films with their embeddings. The manifest has the columns `uri` and `speaker`, `a+b` for a film
of two people, which is left out of the scores; and optionally `recording`: films made of one recording have the same.
What is stored of speakers is hidden, nothing is written.

Precision and recall are B-cubed over recordings: of a clip, itself and the clips of *other* recordings that were found
to be the same person, and those that are. Averages over clips, and over people, of whom some have far more clips.
Straddlers: people who would have clips in several splits.

Growth makes workspaces of drawn faces, ten clips a person, and finds the people of all clips at once, then of a hundred
that come later. An exponent of 0 is work that does not grow, 1 is work that grows with the workspace.
"""

import argparse
import csv
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from heterodub.schemas.config.settings import SplitSettings
from heterodub.schemas.tables import CLIPS, EMBEDDINGS
from heterodub.tasks.identity import people
from heterodub.tasks.identity.corrections import Corrections
from heterodub.tasks.identity.units import joins_of, with_columns, with_units
from heterodub.tasks.media.paths import path_to_uri
from heterodub.tasks.releases.splits import assign_splits
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_LIMITS: Final = "0.30,0.35,0.40,0.45,0.50,0.55,0.60"
_LATE: Final = 100
_ROUNDS: Final = 1


def main() -> None:
    """Print scores, or growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", nargs="?")
    parser.add_argument("manifest", type=Path, nargs="?")
    parser.add_argument("--limits", default=_LIMITS)
    parser.add_argument("--growth", type=int, nargs="?", const=5_000)
    parser.add_argument("--times", type=int, default=4)
    arguments = parser.parse_args()
    if arguments.growth:
        growth(arguments.growth, arguments.times)
    else:
        scores(Workspace.open(arguments.workspace), arguments.manifest, [*map(float, arguments.limits.split(","))])


def scores(ws: Workspace, manifest: Path, limits: Sequence[float]) -> None:
    """Print a row for each limit; the one in use is marked."""
    clips = _unnamed(tables.read(ws, "clips"))
    with manifest.open() as file:
        truth = {path_to_uri(Path(row["uri"])): row for row in csv.DictReader(file)}
    rows = [truth.get(uri, {}) for uri in clips["uri"].to_pylist()]
    frame = pd.DataFrame({"media": clips["media_id"].to_pylist(), "truth": [row.get("speaker") or "" for row in rows]})
    copies = clips["near_copy_of"].to_pylist()
    frame["recording"] = [row.get("recording") or media for row, media in zip(rows, frame["media"], strict=True)]
    frame["recording"] = _joined(frame["recording"], clips["clip_id"].to_pylist(), copies)
    named = (frame["truth"] != "") & ~frame["truth"].str.contains("+", regex=False)
    print(f"{named.sum()} clips of {frame['truth'][named].nunique()} people, {len(frame)} clips in all")
    print("limit   precision  recall   of people: precision  recall   people  unknown  straddlers")
    in_use = people.FACE_LIMIT
    for limit in sorted({*limits, in_use}):
        people.FACE_LIMIT = limit  # type: ignore[misc]
        found = with_columns(clips, people.find_people(ws, clips, clips["near_copy_of"].combine_chunks()).columns)
        persons = [
            one or f"unknown {media}" for one, media in zip(found["person"].to_pylist(), frame["media"], strict=True)
        ]
        scored = frame.assign(person=persons)[named]
        by_clip, by_person = b_cubed(scored)
        print(
            f"{limit:.2f}{'*' if limit == in_use else ' '}      {by_clip[0]:.4f}  {by_clip[1]:.4f}"
            f"               {by_person[0]:.4f}  {by_person[1]:.4f}   {len(set(persons)):6d}"
            f"  {found['person'].null_count:7d}  {_straddlers(ws, found, frame, named)}"
        )
    people.FACE_LIMIT = in_use  # type: ignore[misc]


def b_cubed(rows: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return precision and recall over clips, and over people, of rows with person, truth and recording."""

    def others(*columns: str) -> pd.Series:
        keys = list(columns)
        return rows.groupby(keys)["media"].transform("size") - rows.groupby([*keys, "recording"])["media"].transform(
            "size"
        )

    both, found, real = 1 + others("person", "truth"), 1 + others("person"), 1 + others("truth")
    precision, recall = both / found, both / real
    of_people = [one.groupby(rows["truth"]).mean().mean() for one in (precision, recall)]
    return (precision.mean(), recall.mean()), (of_people[0], of_people[1])


def _unnamed(clips: pa.Table) -> pa.Table:
    nothing = {name: pa.nulls(len(clips), pa.string()) for name in (*people.COLUMNS, "split", "split_group")}
    speakers = pa.array([f"file:{media}" for media in clips["media_id"].to_pylist()])
    return with_columns(clips, nothing | {"speaker": speakers})


def _joined(recordings: pd.Series, ids: list[str], copies: list[str | None]) -> list[str]:
    """Return the recording of each clip, where copies that were found are of one as well."""
    by_clip = dict(zip(ids, recordings, strict=True))
    return [by_clip.get(first or clip, own) for clip, first, own in zip(ids, copies, recordings, strict=True)]


def _straddlers(ws: Workspace, found: pa.Table, frame: pd.DataFrame, named: pd.Series) -> str:
    units, pairs = with_units(found), tables.read_any(ws, "near_pairs", ["clip_id", "other_id"])
    copies = zip(pairs["clip_id"].to_pylist(), pairs["other_id"].to_pylist(), strict=True)
    plan = assign_splits(units, copies, SplitSettings(), joins_of(units, Corrections()))
    splits = frame.assign(split=plan.columns(units)["split"].to_pylist())[named].groupby("truth")["split"].nunique()
    names = sorted(splits[splits > 1].index)
    return f"{len(names)} of {len(splits)} ({len(names) / len(splits):.1%}) {', '.join(names[:5])}"


def growth(clips: int, times: int) -> None:
    """Print processor seconds at two sizes."""
    print(f"{'':32}{clips:>10} clips{clips * times:>10} clips   exponent")
    seconds = [_work(count) for count in (clips, clips * times)]
    for what in seconds[0]:
        one, other = (each[what] for each in seconds)
        print(f"{what:32}{one:>14.2f} s{other:>14.2f} s   {math.log(other / one) / math.log(times):.2f}")


def _work(count: int) -> dict[str, float]:
    chance = np.random.default_rng(0)
    drawn = chance.normal(size=(count // 10 + 1, 128))
    faces = 0.57 * drawn / np.linalg.norm(drawn, axis=1)[:, None]
    who = np.arange(count + _LATE) // 10 % len(faces)
    looks = faces[who] + 0.2 * chance.normal(size=(len(who), 128)) / math.sqrt(128)
    with tempfile.TemporaryDirectory() as place:
        ws = Workspace.open(f"{place}/ws", create=True)
        rows = _clips(len(who))
        tables.append_rows(ws, "embeddings", _embeddings(rows, looks))
        none = pa.nulls(len(who), pa.string())
        first, found = _timed(lambda: people.find_people(ws, rows.slice(0, count), none.slice(0, count)))
        old = with_columns(rows.slice(0, count), found.columns | {"split_group": rows["clip_id"].slice(0, count)})
        later = pa.concat_tables([old, rows.slice(count)])
        late, _ = _timed(lambda: people.find_people(ws, later, none))
    return {"all clips at once": first, f"{_LATE} that come later": late}


def _clips(count: int) -> pa.Table:
    ids = pa.array([f"{number:024x}" for number in range(count)])
    columns = {name: pa.nulls(count, CLIPS.field(name).type) for name in [*people.READ, "split", "split_group"]}
    columns |= {"clip_id": ids, "media_id": ids, "corpus": pa.array(["drawn"] * count)}
    columns |= {"speaker": pa.array([f"file:{number:024x}" for number in range(count)])}
    columns |= {name: pa.array(np.full(count, 50)) for name in ("shot", "track", "start_frame", "frames")}
    return pa.table(columns)


def _embeddings(rows: pa.Table, looks: np.ndarray) -> pa.Table:
    count = len(rows)
    columns = {name: pa.nulls(count, field.type) for name, field in zip(EMBEDDINGS.names, EMBEDDINGS, strict=True)}
    columns |= {"clip_id": rows["clip_id"], "media_id": rows["media_id"], "backend": pa.array(["drawn"] * count)}
    flat = pa.array(looks.astype(np.float32).ravel())
    columns["face"] = pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * 128, flat)
    columns |= {"frames": rows["frames"], "voice_s": pa.array(np.zeros(count))}
    columns["missing"] = pa.array([[]] * count, EMBEDDINGS.field("missing").type)
    return pa.table(columns).cast(EMBEDDINGS)


def _timed(work):
    took = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        result = work()
        took.append(time.process_time() - began)
    return min(took), result


if __name__ == "__main__":
    main()

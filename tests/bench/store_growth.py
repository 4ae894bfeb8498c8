"""Growth of the stores' work with a workspace: processor seconds at two sizes, and the exponent between them.

`python -m tests.bench.store_growth [MEDIA] [TIMES]` makes workspaces of MEDIA and of TIMES as many media, a clip each,
in merged files of 100, with a release, and works on one or a hundred new media in each. An exponent of 0 is work that
does not grow, 1 is work that grows with the workspace. The better of two runs each; a workspace is made anew for each.
"""

import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.lineage.erase import take_down
from heterodub.tasks.lineage.plan import find_scope, plan_takedown
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import merging, tables
from heterodub.tasks.stores.batches import KnownMedia, commit_batch
from heterodub.tasks.stores.delta import TableChange, transact
from heterodub.tasks.stores.parquet import write_file
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_store import ClipSource, StoredClips
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import batch_of, fill

_MEDIA_A_FILE: Final = 100
_NEW: Final = 100
_ROUNDS: Final = 2

Prepared = Callable[[], object]


def make(place: Path, media: int) -> Workspace:
    """A workspace with a release, in merged files as many publishes leave them."""
    ws = Workspace.open(str(place), create=True)
    numbers = sorted(range(media), key=sample.media_id)
    for start in range(0, media, 2_000):
        chunk = range(start, min(start + 2_000, media))
        tables.append_rows(ws, "catalog", sample.catalog(*(sample.catalog_row(number, clips=1) for number in chunk)))
        tables.append_rows(ws, "clips", sample.clips(*(sample.clip_row(number) for number in chunk)))
    for table, row in (
        ("stage1", sample.stage1(sample.stage1_row(0))),
        ("stage2", sample.stage2(sample.stage2_row(0))),
    ):
        groups = [numbers[start : start + _MEDIA_A_FILE] for start in range(0, media, _MEDIA_A_FILE)]
        files = [write_file(ws, table, "merged-{content}.parquet", [_rows(row, group)]) for group in groups]
        transact(ws, table, lambda before, files=files: TableChange(tuple(files)))  # type: ignore[misc]
    _release(ws)
    return ws


def _rows(row: pa.Table, media: list[int]) -> pa.Table:
    rows = pa.concat_tables([row] * len(media))
    for column, ids in (("clip_id", map(sample.clip_id, media)), ("media_id", map(sample.media_id, media))):
        rows = rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), pa.array(ids))
    return rows


def _release(ws: Workspace) -> releases.Release:
    origin = releases.ReleaseProvenance(sample.BACKEND, sample.EXTRACTOR, "0123456789ab", "0123456789ab", "1")
    return releases.publish(ws, releases.current_versions(ws), origin, {}).release


def _commit(ws: Workspace, media: int) -> Prepared:
    known, batch = KnownMedia(ws), batch_of(ws, media)
    return lambda: commit_batch(ws, batch, known)


def _begin(ws: Workspace, media: int) -> Prepared:
    return lambda: KnownMedia(ws)


def _open(ws: Workspace, media: int) -> Prepared:
    def work() -> None:
        stored = StoredClips.of(ws, releases.named(ws, None), Stage.STAGE2)
        stored.pictures(ClipSource(sample.clip_id(media // 2), sample.media_id(media // 2)))

    return work


def _publish(ws: Workspace, media: int) -> Prepared:
    fill(ws, [media])  # type: ignore[arg-type]
    return lambda: _release(ws)


def _merge(ws: Workspace, media: int) -> Prepared:
    merging.PART_CLIPS = 4 * _MEDIA_A_FILE  # those of above are large
    fill(ws, range(media, media + _NEW))
    return lambda: merging.merge_parts(ws, "stage2", tables.version(ws, "stage2"))


def _take_down(ws: Workspace, media: int) -> Prepared:
    def work() -> None:
        plan = plan_takedown(ws, None, find_scope(ws, "file", sample.media_id(media // 2)))
        take_down(ws, Settings(workspace=ws.root), None, plan, "a measurement")

    return work


PARTS: Final[dict[str, Callable[[Workspace, int], Prepared]]] = {
    "begin of an ingest": _begin,
    "commit of one media": _commit,
    "release with one new media": _publish,
    "open a release, read a clip": _open,
    f"merge of {_NEW} new parts": _merge,
    "takedown of one media": _take_down,
}


def measure(part: str, media: int) -> float:
    """Return processor seconds of a part in a new workspace of so many media."""
    with tempfile.TemporaryDirectory(prefix="heterodub-growth-") as place:
        work = PARTS[part](make(Path(place, "workspace"), media), media)
        started = time.process_time()
        work()
        return time.process_time() - started


def main() -> None:
    """Print a Markdown table."""
    media, times = (int(word) for word in (sys.argv[1:] + ["1000", "10"][len(sys.argv) - 1 :]))
    print(f"| part | {media:,} media, core-s | {media * times:,} | exponent |\n|---|---|---|---|")
    for part in PARTS:
        measure(part, 2 * _MEDIA_A_FILE)  # imports
        few, many = (min(measure(part, size) for _ in range(_ROUNDS)) for size in (media, media * times))
        print(f"| {part} | {few:.3f} | {many:.3f} | {math.log(many / few, times):.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""Costs of a corpus by its hours: cores, money, storage, memory, and the limit of each part of the design.

    python -m tests.bench.capacity FILE... --workspace WORKSPACE [--config SETTINGS] [--price 0.04]

Kernels are measured on the files, by the bare loop and in processor time, which minds other work on the machine less
than seconds do, but does mind it: measure on a quiet one, or say how busy it was. Storage is measured on a workspace
that was ingested from footage like yours, the driver's own work on made rows (growth.py). What is printed for 1,000 and
1,000,000 hours is arithmetic on these, and says so. Takes some minutes.
"""

import argparse
import math
import os
import time
from collections import Counter
from pathlib import Path

import av
import pyarrow.compute as pc

from heterodub.schemas.config.settings import load_settings
from heterodub.tasks.ingestion.child import LEAN
from heterodub.tasks.ingestion.process_file import load
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.bench import growth
from tests.bench.loop import Loop

_HOURS = (1_000, 1_000_000)
_ROOM_GIB = 64


def main() -> None:
    """Measure, and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="footage; files of one picture size make one column")
    parser.add_argument("--workspace", help="measure storage, clips and files an hour here")
    parser.add_argument("--config", type=Path, help="settings file, as of heterodub")
    parser.add_argument("--price", type=float, default=0.04, help="dollars a core-hour, an assumption")
    parser.add_argument("--room", type=float, default=_ROOM_GIB, help="GiB a driver may use")
    parser.add_argument("--growth", action="store_true", help="measure the driver's own work, too")
    given = parser.parse_args()
    core_hours = _kernels(given.files, given.config) if given.files else None
    if given.workspace:
        ws = Workspace.open(given.workspace)
        stored, rates = _storage(ws)
        if core_hours:
            _needs(core_hours, stored, given.price)
        if given.growth:
            _ends(rates, given.room)


def _kernels(files: list[Path], config: Path | None) -> float:
    """Print processor seconds an hour of video, by kernel and picture size; returns core-hours an hour of all files."""
    settings = load_settings(config)
    load(settings)  # models and compiled functions: once a process, whatever the corpus
    by_size: dict[str, list[Path]] = {}
    for file in files:
        by_size.setdefault(_size(file), []).append(file)
    loops = {size: Loop(settings, time.process_time).run(same) for size, same in sorted(by_size.items())}
    footage_s = sum(loop.media_s for loop in loops.values())
    whole = sum((loop.spent for loop in loops.values()), Counter())
    print(f"\nCore-seconds an hour of video ({settings.backend}, {len(files)} files, processor time)\n")
    _row("kernel", *loops, "all")
    _row(*["---"] * (len(loops) + 2))
    for kernel, spent in whole.most_common():
        each = (3600 * loop.spent[kernel] / loop.media_s for loop in loops.values())
        _row(kernel, *(f"{value:,.0f}" for value in each), f"{3600 * spent / footage_s:,.0f}")
    totals = (3600 * loop.spent.total() / loop.media_s for loop in loops.values())
    _row("together", *(f"{value:,.0f}" for value in totals), f"{3600 * whole.total() / footage_s:,.0f}")
    _row("seconds of footage", *(f"{loop.media_s:.0f}" for loop in loops.values()), f"{footage_s:.0f}")
    return whole.total() / footage_s


def _size(file: Path) -> str:
    with av.open(str(file)) as opened:
        stream = opened.streams.video[0]
        return f"{stream.width} x {stream.height}"


def _storage(ws: Workspace) -> tuple[float, dict[str, float]]:
    """GB an hour of video that was decoded, by table; returns their sum, and files and clips an hour."""
    catalog = tables.read(ws, "catalog", ["media_s"])
    hours = float(pc.sum(catalog["media_s"]).as_py()) / 3600
    sizes = {table: tables.size(ws, table) for table in ("catalog", "clips", "stage1", "stage2")}
    clips = tables.read(ws, "clips", ["frames", "stage1", "stage2"])
    print(f"\nStorage ({hours:.2f} h of video decoded, {catalog.num_rows} files, {clips.num_rows} clips)\n")
    _row("table", "rows", "files", "GB an hour of video", "kB a row")
    _row(*["---"] * 5)
    for table, size in sizes.items():
        _row(
            table,
            size.rows,
            size.files,
            f"{size.bytes / 1e9 / hours:.4f}",
            f"{size.bytes / 1e3 / max(size.rows, 1):.1f}",
        )
    for stage in ("stage1", "stage2"):
        seconds = float(pc.sum(clips.filter(clips[stage])["frames"]).as_py() or 0) / 25
        print(f"\n{stage}: {sizes[stage].bytes / 1e9 / (seconds / 3600):.3f} GB an hour admitted ({seconds:.0f} s)")
    stored = sum(size.bytes for size in sizes.values()) / 1e9 / hours
    return stored, {"file": catalog.num_rows / hours, "clip": clips.num_rows / hours}


def _needs(core_hours: float, stored_gb: float, price: float) -> None:
    assumed = f"{price} $ a core-hour assumed; {core_hours:.3f} core-hours and {stored_gb:.2f} GB an hour of video"
    print(f"\nWhat it takes, calculated ({assumed})\n")
    _row("hours of video", "core-hours", "dollars", "cores for one day", "cores for 30 days", "storage, TB")
    _row(*["---"] * 6)
    for hours in _HOURS:
        work = hours * core_hours
        _row(
            f"{hours:,}",
            f"{work:,.0f}",
            f"{work * price:,.0f}",
            f"{work / 24:,.1f}",
            f"{work / 720:,.2f}",
            f"{hours * stored_gb / 1000:,.2f}",
        )


def _ends(rates: dict[str, float], room_gib: float) -> None:
    """Print where each part of the driver's work outgrows memory or patience.

    Memory grows on the line through two sizes; time on that or on the power through them, whichever ends sooner: a
    power below 1 is growth that hides behind what a part costs at its start.
    """
    low, high = growth.SIZES
    print(f"\nThe driver's own work: measured at {low:,} and {high:,}, the rest is calculated\n")
    each = ", ".join(f"{rate:,.0f} {what}s" for what, rate in rates.items())
    print(f"An hour of video is {each} here.\n")
    _row("part", "core-s", "MiB", "power of time", f"fills {room_gib:g} GiB at", "hours", "too slow at", "hours")
    _row(*["---"] * 8)
    for name, part in growth.PARTS.items():
        small, large = growth.measure(name, low), growth.measure(name, high)
        power = math.log(large.seconds / small.seconds) / math.log(high / low)
        mib_each = (large.mib - small.mib) / (high - low)
        full = room_gib * 1024 / mib_each if mib_each > 0 else math.inf
        slow = high * (part.patience_s / large.seconds) ** (1 / power) if power > 1 else _on_line(small, large, part)
        result = [f"{large.seconds:.2f}", f"{large.mib:.0f}", f"{power:.2f}"]
        for count in (full, slow):
            result += [f"{count:.2g} {part.per}s", f"{count / rates[part.per]:.2g}"]
        _row(name, *result)


def _on_line(small: growth.Cost, large: growth.Cost, part: growth.GrowthPart) -> float:
    """At how many the line through two costs of a part is at the end of its patience."""
    slope = (large.seconds - small.seconds) / (large.count - small.count)
    return large.count + (part.patience_s - large.seconds) / slope if slope > 0 else math.inf


def _row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    for variable, value in LEAN.items():
        os.environ.setdefault(variable, value)
    main()

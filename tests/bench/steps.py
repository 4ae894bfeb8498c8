"""The share of each step in the processor time that the analysis of files takes, encoding and writing included.

    python -m tests.bench.steps FILE...

A clock around each function below, in processor time, minds what is inside it and has a clock of its own. Unlike the
bare loop (loop.py) this is the very code of an ingest's children. Prints Markdown.
"""

import functools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import load_policy
from heterodub.tasks.faces import detector, patches, tracker
from heterodub.tasks.ingestion import clip_builder, process_file, rows, sound_tracks
from heterodub.tasks.ingestion.child import LEAN
from heterodub.tasks.ingestion.job import FileJob
from heterodub.tasks.media import deinterlacing, interlace, shots, sound, transitions
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.stores import parts
from heterodub.tasks.stores.workspace import Workspace

_STEPS: tuple[tuple[str, Any, str], ...] = (
    ("hash the file", process_file, "fingerprint"),
    ("one line of time", process_file.Timeline, "read"),
    ("faces: detect, mesh, track", tracker.FaceTracker, "step"),
    ("faces: detect, mesh, track", detector.FaceSearch, "__call__"),
    ("combs: find", interlace.CombFinder, "step"),
    ("combs: find", interlace, "sample"),
    ("combs: find", deinterlacing, "luma_of"),
    ("combs: deinterlace", deinterlacing.Deinterlacer, "_deinterlaced"),
    ("shot cuts", shots, "small_picture"),
    ("shot cuts", shots._Cuts, "add"),
    ("gradual transitions", transitions.TransitionFinder, "add"),
    ("face patches", patches.FacePatches, "add"),
    ("changes of person", clip_builder, "breaks"),
    ("crops", clip_builder, "_held"),
    ("crops", clip_builder, "scale_square"),
    ("picture measures", clip_builder, "measure_face"),
    ("stillness", process_file, "is_still"),
    ("choice of a channel", sound, "best_channel"),
    ("choice of a sound track", sound_tracks.SoundTracks, "_listen"),
    ("decode sound", process_file, "open_sound"),
    ("clip measures: sound, sync, picture", process_file._Analyst, "_decide"),
    ("encode crops", rows, "stage2_table"),
    ("write parts", parts.PartWriter, "add"),
)
_REST = "decode pictures, and the rest"


class Clocks:
    """Processor seconds by step, each without the steps inside it."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._inner = [0.0]

    def around(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with a clock."""

        @functools.wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            started = time.process_time()
            self._inner.append(0.0)
            try:
                return function(*given, **named)
            finally:
                whole = time.process_time() - started
                self.spent[step] += whole - self._inner.pop()
                self._inner[-1] += whole

        return timed


def main() -> None:
    """Analyse the files named, and print the table."""
    for variable, value in LEAN.items():
        os.environ.setdefault(variable, value)
    clocks, media_s = Clocks(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        settings, policy = load_settings(None).model_copy(update={"workspace": folder}), load_policy()
        workspace = Workspace.open(folder, create=True)
        process_file.load(settings)
        _set(clocks)
        started = time.process_time()
        for name in sys.argv[1:]:
            path = Path(name).absolute()
            job = FileJob(str(path), fingerprint(path), path.stat().st_size, "default", "file:x")
            try:
                with parts.unfinished_parts(workspace) as outgoing:
                    media_s += process_file.analyse(job, settings, policy, outgoing).media_s
            except MediaRefusedError as error:
                print(f"{path.name}: {error.reason}", file=sys.stderr)
        whole = time.process_time() - started
    clocks.spent[_REST] = whole - clocks.spent.total()
    print(f"\n{settings.backend}, {media_s:.0f} s of footage, {media_s / whole:.1f} times real time\n")
    print("| step | ms a second of footage | share |\n|---|---|---|")
    for step, spent in clocks.spent.most_common():
        print(f"| {step} | {1000 * spent / media_s:.2f} | {spent / whole:.1%} |")


def _set(clocks: Clocks) -> None:
    for step, owner, name in _STEPS:
        own = vars(owner).get(name)
        wrapped = clocks.around(step, getattr(owner, name))
        setattr(owner, name, staticmethod(wrapped) if isinstance(own, classmethod) else wrapped)


if __name__ == "__main__":
    main()

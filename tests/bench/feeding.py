"""The readers of preset `paper` over a made store of 150,000 clips: what they decode, send, hold and are sent.

`python -m tests.bench.feeding`. Clips are 10 s of 256 px crops of some 20 kB, as an ingest stores them. 64 are on the
disk, and all others are read as one of these, under their own ids. Times are processor seconds of one reader.
"""

import multiprocessing
import pickle
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from heterodub.model.training.sampler import ClipInfo, WindowSampler
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases.clip_index import ClipIndex
from heterodub.tasks.stores.parquet import write_file
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training import datasets
from heterodub.tasks.training.clip_store import ClipSource, PictureClip, StoredClips
from heterodub.tasks.training.datasets import ClipDataset, PlannedWindow, TranslatorReader
from tests.model.stage2.faces import speaker
from tests.tasks.stores import sample_rows as sample

CLIPS, STORED, FRAMES, SIDE = 150_000, 64, 250, 256
_FILE_CLIPS = 512
_BATCHES = 24
"""Of one reader of eight; after some 20 its cache is full."""


@dataclass(frozen=True, slots=True)
class _Aliases:
    """A PictureSource that holds the index of all clips and reads one of those that are stored."""

    stored: StoredClips

    def pictures(self, place: ClipSource) -> PictureClip:
        """Read a clip."""
        return self.stored.pictures(ClipSource(_clip_id(int(place.clip_id, 16) % STORED), place.media_id))


def bench() -> None:
    """Print what a reader costs."""
    settings = Stage2Settings(preset="paper")
    with tempfile.TemporaryDirectory(prefix="heterodub-feeding-") as folder:
        dataset = _dataset(Path(folder), settings)
        readers = settings.data.num_workers
        plans = [dataset.plan(number) for number in range(0, readers * _BATCHES, readers)]
        packed = pickle.dumps(dataset.reader)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        child = context.Process(target=_read, args=(theirs, packed, plans))
        child.start()
        answer: dict[str, float] = ours.recv()
        child.join()
    rate = answer["batches"] / answer["seconds"]
    for what, value in {
        "sent to a reader at its start, of each batch": f"{len(packed) / 2**20:.1f} MiB, "
        f"{len(pickle.dumps(plans[0])) / 2**10:.1f} KiB",
        "a reader is ready after": f"{answer['ready_s']:.1f} s of processor time, all but "
        f"{answer['unpacked_s']:.2f} s of it imports",
        "JPEGs decoded a window (at most 10)": f"{answer['decoded'] / answer['windows']:.1f}",
        "a batch (at most 30 MiB)": f"{answer['sent'] / answer['batches'] / 2**20:.1f} MiB",
        "peak memory of a reader (at most 2 GiB)": f"{answer['peak_mib'] / 1024:.2f} GiB",
        "batches a second of a reader": f"{rate:.2f}",
        f"step that {readers} readers feed": f"{1 / rate / readers:.3f} s",
    }.items():
        print(f"{what:48s} {value}", flush=True)


def _dataset(folder: Path, settings: Stage2Settings) -> ClipDataset[Any, Any]:
    workspace = Workspace.open(str(folder / "w"), create=True)
    file = write_file(workspace, Stage.STAGE2.value, "merged-0.parquet", (sample.stage2(row) for row in _rows()))
    assert file is not None
    ids = [_clip_id(number) for number in range(CLIPS)]
    names = (file.name, *(f"merged-{number:016x}.parquet" for number in range(CLIPS // _FILE_CLIPS)))
    places = np.arange(CLIPS, dtype=np.int32)
    index = ClipIndex(names, np.array(ids, np.bytes_), places // _FILE_CLIPS, places % _FILE_CLIPS)
    reader = TranslatorReader(_Aliases(StoredClips(workspace, Stage.STAGE2, (file,), index)), settings)
    infos = [ClipInfo(clip_id, FRAMES, f"speaker {number // 30}") for number, clip_id in enumerate(ids)]
    sources = {clip_id: ClipSource(clip_id, clip_id) for clip_id in ids}
    return ClipDataset(reader, sources, WindowSampler(infos, settings.data, settings.seed))


def _rows() -> Any:
    pictures, landmarks = speaker(1, 50)
    draw, grain = np.random.default_rng(0), [cv2.IMWRITE_JPEG_QUALITY, 95]
    large = [cv2.resize(picture, (SIDE, SIDE)).astype(np.float64) for picture in pictures]
    noisy = [np.clip(picture + draw.normal(0, 4, picture.shape), 0, 255).astype(np.uint8) for picture in large]
    crops = [bytes(cv2.imencode(".jpg", picture, grain)[1]) for picture in noisy]
    times = FRAMES // len(crops)
    points = np.tile(landmarks.reshape(len(crops), -1) * (SIDE / pictures.shape[1]), (times, 1)).astype(np.float32)
    for number in range(STORED):
        yield sample.stage2_row(number, 0, FRAMES) | {
            "clip_id": _clip_id(number),
            "landmarks": points.tolist(),
            "tracked": [True] * FRAMES,
            "crop_px": SIDE,
            "crop_boxes": [[0.0, 0.0, float(SIDE)]] * FRAMES,
            "crops": crops * times,
        }


def _clip_id(number: int) -> str:
    return f"{number:024x}"


def _read(pipe: Any, packed: bytes, plans: Sequence[Sequence[PlannedWindow]]) -> None:
    """Make batches in a process that knows what a reader is sent, and nothing else."""
    before = time.process_time()
    reader: TranslatorReader = pickle.loads(packed)
    ready, decoded, decode = time.process_time(), 0, datasets.decode_crop

    def counted(data: bytes, number: int) -> Any:
        nonlocal decoded
        decoded += 1
        return decode(data, number)

    datasets.decode_crop = counted
    sent = 0
    for plan in plans:
        batch = reader[plan]
        assert not isinstance(batch, datasets.Broken), batch
        sent += batch.size_bytes
    pipe.send(
        {
            "ready_s": ready,
            "unpacked_s": ready - before,
            "batches": len(plans),
            "windows": sum(len(plan) for plan in plans),
            "decoded": decoded,
            "sent": sent,
            "seconds": time.process_time() - ready,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )


if __name__ == "__main__":
    bench()

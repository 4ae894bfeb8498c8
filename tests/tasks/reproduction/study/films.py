"""Small films of two made-up systems, and the list that names them."""

import csv
from pathlib import Path

import numpy as np

from tests.tasks.media.media_files import SoundTrack, regular, write_media

CLIPS, SYSTEMS = ("anna", "ben", "cleo"), ("ours <b>", "baseline")


def listing(folder: Path, frames: int = 30) -> Path:
    """videos.csv with a film for each clip and system; each is of another colour, so that it can be recognised."""
    rows = []
    for clip_number, clip in enumerate(CLIPS):
        for number, system in enumerate(SYSTEMS):
            path = folder / f"{clip}-{number}.mp4"
            _film(path, 40 + 60 * clip_number, 40 + 120 * number, frames)
            rows.append({"clip": clip, "system": system, "video": path.name, "source": f"{clip}-0.mp4"})
    with (folder / "videos.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, ["clip", "system", "video", "source"])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "videos.csv"


def _film(path: Path, red: int, green: int, frames: int) -> None:
    pictures = [np.full((96, 128, 3), (red, green, (5 * number) % 256), np.uint8) for number in range(frames)]
    tone = (0.1 * np.sin(np.arange(frames * 640) * 0.1)).astype(np.float32)[None]
    write_media(path, regular(frames), track=SoundTrack(tone, 16_000), size=(128, 96), pictures=pictures)

"""Small films with a real face in them: a photograph that ships in a wheel, moved about, with a voice-like sound."""

import hashlib
import os
import sys
from functools import cache
from pathlib import Path

import numpy as np
import skimage.data

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks" / "media"))

from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.media.media_files import SoundTrack, regular, write_media

TABLES = {"catalog": "uri", "clips": "clip_id", "stage1": "clip_id", "stage2": "clip_id", "embeddings": "clip_id"}


@cache
def _portrait() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[:256, 80:336, :3])


def head(seed: int, frames: int = 40) -> list[np.ndarray]:
    """(256, 256, 3) pictures of a face that sways; another seed, another light and another sway."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(0.7, 1.1, 3)
    sway = rng.uniform(2, 8) * np.sin(np.linspace(0, rng.uniform(4, 9), frames))
    grain = rng.normal(0, 6, (256, 256, 1))
    portrait = np.clip(_portrait() * light + grain, 0, 255).astype(np.uint8)
    return [np.roll(portrait, (round(move), round(move / 2)), (1, 0)) for move in sway]


def voice(seed: int, seconds: float, rate_hz: int = 16_000) -> SoundTrack:
    """Bursts of a buzz with pauses between them."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * rng.uniform(90, 220) * harmonic * times) / harmonic for harmonic in range(1, 12))
    bursts = np.sin(2 * np.pi * rng.uniform(1.5, 3) * times) > -0.2
    return SoundTrack((0.2 * buzz * bursts + rng.normal(0, 0.002, times.size)).astype(np.float32)[None], rate_hz)


def write_head(path: Path, seed: int, frames: int = 40, **more) -> Path:
    """A film of a face with sound; `more` goes to write_media."""
    options = {"track": voice(seed, frames / 25), "size": (256, 256), "pictures": head(seed, frames)} | more
    return write_media(path, regular(frames), **options)


def made_unique(content: bytes, mark: str) -> bytes:
    """The same MP4 with other bytes: a box of nothing at its end."""
    text = mark.encode()
    return content + (8 + len(text)).to_bytes(4, "big") + b"free" + text


def contents(workspace: Path | str) -> dict[str, list[dict]]:
    """Every row of every table, payload included, sorted by id."""
    ws = Workspace.open(str(workspace))
    return {table: tables.read(ws, table).sort_by(key).to_pylist() for table, key in TABLES.items()}


def portable(workspace: str | Path) -> dict[str, list[dict]]:
    """Rows without what depends on where files lie."""
    rows = contents(workspace)
    for row in (*rows["catalog"], *rows["clips"]):
        row["uri"] = row["uri"].rsplit("/", 1)[-1]
        row.pop("stamp", None)
    rows["catalog"].sort(key=lambda row: row["uri"])
    return rows


def versions(workspace: Path | str) -> dict[str, int]:
    """The newest version of every table."""
    ws = Workspace.open(str(workspace))
    return {table: tables.version(ws, table) for table in (*TABLES, "releases")}


def fingerprints(folder: Path) -> dict[bytes, tuple[str, int]]:
    """Hash and time of change of every regular file below a folder."""
    collected = {}
    for here, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(here, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    collected[path] = (hashlib.file_digest(file, "sha256").hexdigest(), os.stat(path).st_mtime_ns)
    return collected


def people_lines(stderr: str) -> list[str]:
    """Return the stderr lines meant for people, without log lines."""
    return [line for line in stderr.splitlines() if not line.startswith("at=")]

"""Recall, false alarms and PSNR of the watermark on real films: python -m tests.bench.watermark FOLDER [FILES].

Eight pictures of each film are marked, encoded as a dub is (x264 veryfast, CRF 18), scaled to 720 lines, encoded at CRF
28, and searched for the mark; the same pictures are searched unmarked, and for a thousand other patterns: what those
find are false alarms, too. A line for each film, then all of them.
"""

import io
import sys
import time
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from heterodub.tasks.provenance.watermark import THRESHOLD, embed, evidence, phases

PICTURES, SKIPPED, LINES = 8, 20, 720
PATTERNS = 1000


def pictures(path: Path) -> list[np.ndarray]:
    """Pictures as planes of yuv420p, one below the other."""
    with av.open(str(path)) as film:
        frames = islice(film.decode(video=0), SKIPPED, SKIPPED + PICTURES)
        return [
            frame.reformat(width=frame.width // 2 * 2, height=frame.height // 2 * 2, format="yuv420p").to_ndarray()
            for frame in frames
        ]


def luma(planes: np.ndarray) -> np.ndarray:
    return planes[: planes.shape[0] * 2 // 3]


def encoded(films: list[np.ndarray], crf: int, lines: int | None = None) -> list[np.ndarray]:
    """The pictures after x264, with `lines` rows or columns, whichever are fewer."""
    rows, columns = luma(films[0]).shape
    scale = lines / min(rows, columns) if lines else 1
    size = {"width": round(columns * scale / 2) * 2, "height": round(rows * scale / 2) * 2}
    file = io.BytesIO()
    with av.open(file, "w", "mp4") as out:
        video = out.add_stream("libx264", rate=Fraction(25), options={"crf": str(crf), "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = size["width"], size["height"], "yuv420p"
        for planes in films:
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            out.mux(video.encode(frame.reformat(**size, interpolation="BICUBIC")))
        out.mux(video.encode(None))
    file.seek(0)
    with av.open(file) as film:
        return [frame.to_ndarray() for frame in film.decode(video=0)]


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((one.astype(np.float32) - other) ** 2))))


def found(films: list[np.ndarray]) -> float:
    return evidence(np.stack([phases(luma(planes), 8) for planes in films]))


def of_other_patterns(films: list[np.ndarray]) -> np.ndarray:
    """Evidence for each of PATTERNS shuffled patterns, which are not in the pictures."""
    mean = np.stack([phases(luma(planes), 8) for planes in films]).mean(axis=0).ravel()
    signs = np.repeat([1.0, -1.0], mean.size // 2)
    shuffled = np.random.default_rng(0).permuted(np.tile(signs, (PATTERNS, 1)), axis=1)
    return np.abs(shuffled @ mean) ** 2 / max(1e-9, np.sum(np.abs(mean) ** 2))


def main() -> None:
    """Measure the films of a folder."""
    folder, most = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None
    rows: list[tuple[float, float, float]] = []
    others: list[np.ndarray] = []
    spent = shown = 0.0
    for path in sorted(folder.iterdir())[:most]:
        try:
            plain = pictures(path)
        except (av.FFmpegError, IndexError):
            continue
        if len(plain) < PICTURES:
            continue
        marked = [planes.copy() for planes in plain]
        started = time.process_time()
        for planes in marked:
            embed(luma(planes), 8)
        spent, shown = spent + time.process_time() - started, shown + sum(luma(one).size for one in plain)
        others.append(of_other_patterns(plain))
        quality = float(np.mean([psnr_db(luma(a), luma(b)) for a, b in zip(plain, marked, strict=True)]))
        rows.append((found(encoded(encoded(marked, 18), 28, LINES)), found(plain), quality))
        print(f"{path.name}: marked {rows[-1][0]:.1f}, unmarked {rows[-1][1]:.1f}, {quality:.1f} dB", flush=True)
    marked_T, unmarked_T, quality_T = (np.array(values) for values in zip(*rows, strict=True))
    print(f"{len(rows)} films; recall {np.mean(marked_T >= THRESHOLD):.4f}, least evidence {marked_T.min():.1f}")
    print(f"false alarms {np.mean(unmarked_T >= THRESHOLD):.4f}, most evidence {unmarked_T.max():.1f}")
    other_T = np.concatenate(others)
    shares = ", ".join(f"from {least}: {np.mean(other_T >= least):.1e}" for least in (6, 8, 10, THRESHOLD))
    print(f"{other_T.size} searches for other patterns, most evidence {other_T.max():.1f}, share {shares}")
    print(f"PSNR mean {quality_T.mean():.1f} dB, least {quality_T.min():.1f} dB; {spent / shown * 1e9:.1f} ns a pixel")


if __name__ == "__main__":
    main()

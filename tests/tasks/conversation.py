"""A film of two heads of the sample side by side, whose mouths both move all the time: one is heard, then the other."""

from pathlib import Path

import av
import numpy as np

from tests.commons import Commons, sample_media
from tests.tasks.media.media_files import SoundTrack, regular, write_media

HEADS = ("s01-clean.mp4", "s02-clean.mp4")


def conversation(commons: Commons, demo: Path | None) -> tuple[Path, int]:
    """The film, made once, and the frame from which the right one is heard in place of the left one."""
    media = sample_media(commons, demo, HEADS)
    folder = commons.made_once("conversation", lambda folder: _write(folder, media))
    return folder / "two.mp4", int((folder / "turn").read_text())


def _write(folder: Path, media: Path) -> None:
    folder.mkdir()
    left, right = (_pictures(media / name) for name in HEADS)
    frames, height = min(len(left), len(right)), min(left[0].shape[0], right[0].shape[0])
    frames, turn = frames - frames % 2, frames // 2
    pictures = [np.hstack([a[:height], b[:height]]) for a, b in zip(left[:frames], right[:frames], strict=True)]
    heard = [_sound(media / name)[: frames * 640] for name in HEADS]
    samples = np.concatenate([heard[0][: turn * 640], heard[1][turn * 640 :]])
    track = SoundTrack(samples[None], 16_000)
    high, wide = pictures[0].shape[:2]
    write_media(folder / "two.mp4", regular(frames), track, size=(wide, high), pictures=pictures)
    (folder / "turn").write_text(str(turn))


def _pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def _sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as film:
        resampler = av.AudioResampler("flt", "mono", 16_000)
        return np.concatenate(
            [out.to_ndarray()[0] for frame in film.decode(audio=0) for out in resampler.resample(frame)]
        )

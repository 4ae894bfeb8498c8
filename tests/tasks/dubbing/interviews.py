"""A film of an interview of two: both in the picture, one alone, nobody, both again."""

from pathlib import Path

import av
import numpy as np

from tests.flows.heads import voice
from tests.tasks.faces.covered import talker
from tests.tasks.media.media_files import draw, regular, write_media

TOGETHER, ALONE, EMPTY = slice(0, 30), slice(30, 50), slice(50, 60)
"""Frames of the first shots, at 25 a second; from 60 to 80 both are seen again."""

FRAMES = 80

TURNS = """start,end,person,face
0.2,1.0,ANNA,left
1.2,1.6,BEN,right
1.6,2.0,ANNA,left
2.4,3.0,BEN,right
2.6,3.1,ANNA,left
"""
"""While ANNA speaks for the second time, BEN is seen alone; nobody is from 2.0 to 2.4 s; at the end both speak."""


def write_interview(path: Path, **more) -> Path:
    """640 x 320 pictures; ANNA sits on the left, BEN on the right."""
    anna, ben = (np.stack(talker(name, FRAMES, seed)) for name, seed in (("s01", 3), ("s02", 5)))
    both = np.concatenate([anna[:, :320, :320], ben[:, :320, :320]], axis=2)
    pictures = list(both)
    for frame in range(ALONE.start, ALONE.stop):  # the camera that shows BEN alone
        pictures[frame] = np.full_like(both[0], (70, 90, 60))
        pictures[frame][:, 120:440] = ben[frame, :320, :320]
    for frame in range(EMPTY.start, EMPTY.stop):
        pictures[frame] = draw(frame, 640, 320)
    options = {"track": voice(9, FRAMES / 25), "size": (640, 320), "pictures": pictures} | more
    return write_media(path, regular(FRAMES), **options)


def samples_of(path: Path) -> list[np.ndarray]:
    """Luma and chroma of every picture."""
    with av.open(str(path)) as film:
        return [frame.to_ndarray() for frame in film.decode(video=0)]

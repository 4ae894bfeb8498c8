"""Speech of known words, a real picture, and films whose truth is known: each made once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data
from scipy.signal import resample_poly

from heterodub.model.features.landmarks import LIPS
from heterodub.model.features.mel import log_mel
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.mesh import open_mesh_v1
from heterodub.tasks.faces.tracker import FaceTracker
from heterodub.tasks.synthetic.people import PEOPLE
from heterodub.tasks.synthetic.speech import Utterance, speak
from tests.commons import sample_media

SAID = (
    ("Papa may buy a map for my mother", "We move the blue boat by the bay", "Open the window, the moon is above"),
    (
        "My mother will help him push the pump",
        "A big brown bear ate bread and butter",
        "People may pay on Monday morning",
    ),
)
FILMS = ("s01-clean.mp4", "s02-clean.mp4")


@dataclass(frozen=True, eq=False)
class Talk:
    """A film as the sync measure takes it: points (T, 216, 2), tracked (T,), samples (640 * T,), mel (4T, 80)."""

    points: np.ndarray
    tracked: np.ndarray
    samples: np.ndarray

    @property
    def mel(self) -> np.ndarray:
        return log_mel(self.samples, len(self.points))


@pytest.fixture(scope="session")
def speeches() -> list[np.ndarray]:
    """Two voices saying different things, 16 kHz, some six seconds each, pauses digitally silent."""
    said = speak(
        [Utterance(person.voice, words, (0.3, 0.4, 0.4, 0.3)) for person, words in zip(PEOPLE, SAID, strict=False)]
    )
    return [resample_poly(speech.samples, 1, 3).astype(np.float32) for speech in said]


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """512 x 512; one face of about 95 x 125 px around (224, 125)."""
    return np.ascontiguousarray(skimage.data.astronaut()[..., :3])


@pytest.fixture(scope="session")
def talks(commons, tested_demo) -> list[Talk]:
    """Two talking heads, tracked as an ingest tracks them."""
    media = sample_media(commons, tested_demo, FILMS)
    return [_watch(media / name) for name in FILMS]


def _watch(path: Path) -> Talk:
    tracker = FaceTracker(open_mesh_v1(), ClipSettings())
    seen = []
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            (face,) = tracker.step(frame.to_ndarray(format="rgb24"), cut=False)
            seen.append(face)
    with av.open(str(path)) as film:
        resampler = av.AudioResampler("flt", "mono", 16_000)
        pieces = [out.to_ndarray()[0] for frame in film.decode(audio=0) for out in resampler.resample(frame)]
    samples = np.zeros(640 * len(seen), np.float32)
    heard = np.concatenate(pieces)[: samples.size]
    samples[: heard.size] = heard
    return Talk(np.stack([face.points for face in seen]), np.array([face.tracked for face in seen]), samples)


@pytest.fixture
def frozen_mouth(talks) -> Callable[[], Talk]:
    """The first film with lips that never move."""

    def make() -> Talk:
        points = talks[0].points.copy()
        points[:] = points[0]
        assert not np.ptp(points[:, LIPS], axis=0).any()
        return Talk(points, talks[0].tracked, talks[0].samples)

    return make

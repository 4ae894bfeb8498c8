"""The tracker on real footage; skipped unless HETERODUB_CORPORA points to the folder of the test corpus."""

import os
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from heterodub.model.features.landmarks import box, mouth_opening
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.region import Picture
from heterodub.tasks.faces.tracker import FaceObservation, FaceTracker

CORPORA = os.environ.get("HETERODUB_CORPORA")
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(
        not CORPORA, reason="no real media here: set HETERODUB_CORPORA to the folder of the test corpus"
    ),
]


def pictures(name: str, count: int) -> Iterator[Picture]:
    folder = Path(CORPORA or "")
    file = folder / "media" / name if (folder / "media").is_dir() else folder / name
    with av.open(str(file)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == count:
                return
            yield frame.to_ndarray(format="rgb24")


@pytest.fixture
def follow(mesh):
    def run(name: str, count: int = 60) -> list[list[FaceObservation]]:
        tracker = FaceTracker(mesh, ClipSettings())
        return [tracker.step(rgb, cut=False) for rgb in pictures(name, count)]

    return run


@pytest.mark.parametrize(
    ("name", "tall"),
    [
        ("grid_lbax4n.mpg", 147),
        ("grid_lbax4n__bw_blur.mp4", 147),
        ("grid_swiz3n__tiny.mp4", 68),
        ("hdtf_wda_bob_menendez.mp4", 312),
        ("latentsync_demo1.mp4", 209),
        ("latentsync_demo1__tiny.mp4", 35),
        ("latentsync_demo1__bw_silent.mp4", 209),
        ("lp_s13_fullbody_dance.mp4", 89),
        ("vox_00010.mp4", 88),
    ],
)
def test_one_face_is_followed_throughout(follow, name, tall):
    seen = follow(name)
    assert all([face.track for face in faces] == [0] for faces in seen)
    assert np.mean([faces[0].tracked for faces in seen]) > 0.95
    heights = [np.ptp(faces[0].points[:, 1]) for faces in seen]
    assert 0.6 * tall < np.median(heights) < 1.4 * tall


@pytest.mark.parametrize(("name", "faces"), [("dj_two_children.mp4", 2), ("aniportrait_lyl_sidebyside.mp4", 2)])
def test_several_faces_keep_separate_tracks(follow, name, faces):
    seen = follow(name)
    assert all([face.track for face in now] == list(range(faces)) for now in seen)
    for now in seen:
        places = sorted(box(face.points)[0] for face in now)
        assert (np.diff(places) > 20).all()


@pytest.mark.parametrize("name", ["av1_testpattern_mkv.mkv", "bbb_30s_webm.webm", "timecode_voice_42s.mp4"])
def test_no_face_where_none_is(follow, name):
    assert not any(follow(name))


def test_talking_mouth_opens_and_closes(follow):
    points = np.stack([faces[0].points for faces in follow("grid_lbax4n.mpg", 75)])
    opening = mouth_opening(points)
    assert opening.min() < 0.05
    assert np.ptp(opening) > 0.08

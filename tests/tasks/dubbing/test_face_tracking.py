"""Whom the first pass follows: a dissolve hands no track on to another person."""

import numpy as np
import pytest

from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.dubbing.face_tracking import follow
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.media.canvas import Canvas
from heterodub.tasks.media.source_video import SourceVideo
from tests.tasks.ingestion.test_people import ALONE, LONGEST, joined, talker
from tests.tasks.media.media_files import regular, write_media


@pytest.mark.parametrize("fps", [25, 50])
def test_dissolve_ends_a_track_and_drops_its_frames(fps, backend, settings, tmp_path):
    pictures = joined(talker("s01"), talker("s04"), "dissolve")
    every = fps // 25
    shown = [picture for picture in pictures for _ in range(every)]
    path = write_media(tmp_path / "two.mp4", regular(len(shown), fps), size=(240, 240), pictures=shown)
    film = SourceVideo.open(path, settings.limits)
    followed = follow(film, Canvas(film.look()), backend, ClipSettings(), 10, PassMonitor())
    first, second = sorted(followed.tracks, key=lambda track: track.first)
    assert (first.first, second.stop) == (0, len(shown))
    assert ALONE - 6 <= first.stop / every <= ALONE + 3
    assert ALONE + LONGEST - 3 <= second.first / every <= ALONE + LONGEST + 6
    assert first.shot < second.shot
    assert len(second.points_TPXY) == len(second.tracked_T) == len(second.yaw_T)
    assert np.isfinite(second.points_TPXY).all()

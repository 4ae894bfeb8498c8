"""The whole way over real files: sniff, probe, pictures, sound. Needs HETERODUB_CORPORA."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.sound import Sound, open_sound
from tests.tasks.media.media_files import end_of

ROOT = os.environ.get("HETERODUB_CORPORA")
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.skipif(not ROOT, reason="no real media here: set HETERODUB_CORPORA to the folder of the test corpus"),
]

REFUSED = {
    "broken_no_video_stream.mp4": FileReason.NO_VIDEO_STREAM,
    "clm_cap12_ogv_undecodable.ogv": FileReason.UNSUPPORTED_CONTAINER,
    "concat_named.mp4": FileReason.POINTS_ELSEWHERE,
    "empty.mp4": FileReason.EMPTY_FILE,
    "header_only.mp4": FileReason.NO_DECODABLE_FRAME,
    "playlist_named.mp4": FileReason.POINTS_ELSEWHERE,
    "text_named.mp4": FileReason.NOT_MEDIA,
    "tiny_1x1_video.mp4": FileReason.PICTURE_TOO_SMALL,
    "truncated_half.mp4": FileReason.NO_DECODABLE_FRAME,
    "truncated_tail.mp4": FileReason.NO_DECODABLE_FRAME,
}


def _files() -> list[str]:
    if not ROOT:
        return []
    with (Path(ROOT) / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return [row["file"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("file", _files())
def test_file_gives_frames_of_its_size_and_length_or_the_right_refusal(file, tmp_path):
    """One test a file: all of them decode for a quarter of an hour on a busy machine."""
    try:
        _decode(Path(ROOT or "") / "media" / file, tmp_path)
    except MediaRefusedError as error:
        assert error.reason is REFUSED.get(file)
    else:
        assert file not in REFUSED


def _decode(path: Path, scratch: Path) -> None:
    limits = LimitSettings()
    container = sniff(path)
    facts = probe(path, container, limits)
    with open_video(path, container, facts, limits) as video:
        count = 0
        for frame in video.frames():
            assert frame.index == count or frame.follows_hole
            assert frame.rgb.shape == (facts.height, facts.width, 3)
            count = frame.index + 1
    sound = open_sound(path, container, facts, video.origin_s, 0.0, scratch)
    if isinstance(sound, Sound):
        with sound:
            assert np.isfinite(sound.read(0, end_of(sound))).all()
    if path.name != "flipped_bytes.mp4":
        assert video.truncated is None
        assert facts.duration_s is None or abs(video.reached_s - facts.duration_s) < 0.1

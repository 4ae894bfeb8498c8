"""The whole way over real files: sniff, probe, pictures, sound. Needs HETERODUB_CORPORA."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason
from schemas.settings import GuardSettings
from tasks.media.decode import open_video
from tasks.media.probe import probe
from tasks.media.sniff import sniff
from tasks.media.sound import Sound, open_sound
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


def _rows() -> list[dict[str, str]]:
    if not ROOT:
        return []
    with (Path(ROOT) / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_file_gives_frames_of_its_size_and_length_or_the_right_refusal(tmp_path):
    guards = GuardSettings()
    refused = {}
    for row in _rows():
        path = Path(ROOT or "") / "media" / row["file"]
        try:
            container = sniff(path)
            facts = probe(path, container, guards)
            with open_video(path, container, facts, guards) as video:
                count = 0
                for frame in video.frames():
                    assert frame.index == count
                    assert frame.rgb.shape == (facts.height, facts.width, 3)
                    count += 1
            sound = open_sound(path, container, facts, video.origin_s, 0.0, tmp_path)
        except MediaRefusedError as error:
            refused[row["file"]] = error.reason
            continue
        if isinstance(sound, Sound):
            with sound:
                assert np.isfinite(sound.read(0, end_of(sound))).all()
        if path.name != "flipped_bytes.mp4":
            assert video.truncated is None, path.name
            assert facts.duration_s is None or abs(count / 25 - facts.duration_s) < 0.1, path.name
    assert refused == REFUSED

"""Preset policies, on a talker of the sample that is cut and scaled to the sizes they are made for."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import load_policy
from tests.tasks.ingestion.conftest import analysed, job_of
from tests.tasks.media.media_files import SoundTrack, regular, write_media


@pytest.fixture
def talker(media) -> Path:
    return media / "s01-clean.mp4"


def cut(talker: Path, made: Path, frames: int, size: tuple[int, int] | None = None) -> Path:
    """Write some frames of the talker's film with their sound, the pictures scaled to a size."""
    with av.open(str(talker)) as source:
        kept = [frame for frame, _ in zip(source.decode(video=0), range(frames), strict=False)]
        width, height = size or (kept[0].width, kept[0].height)
        pictures = [frame.reformat(width, height, "rgb24").to_ndarray() for frame in kept]
    with av.open(str(talker)) as source:
        rate = source.streams.audio[0].rate
        sound = np.concatenate([_mono(frame) for frame in source.decode(audio=0)])[: frames * rate // 25]
    return write_media(
        made, regular(frames), track=SoundTrack(sound[None], rate), size=(width, height), pictures=pictures
    )


def _mono(frame: av.AudioFrame) -> np.ndarray:
    return frame.to_ndarray().reshape(len(frame.layout.channels), -1).mean(axis=0).astype(np.float32)


def routed(path: Path, settings: Settings, policy: str) -> list[dict[str, Any]]:
    clips: list[dict[str, Any]] = analysed(job_of(path), settings, load_policy(policy)).clips.to_pylist()
    return clips


def test_word_of_a_second_is_for_stage_one_by_lrw_alone(talker, settings, tmp_path):
    word = cut(talker, tmp_path / "word.mp4", 29)
    (clip,) = routed(word, settings, "lrw")
    assert clip["frames"] == 29 and clip["av_sync_score"] is None and clip["speech_s"] >= 0.3
    assert (clip["stage1"], clip["stage2"]) == (True, True), (clip["stage1_reasons"], clip["stage2_reasons"])
    (clip,) = routed(word, settings, "")
    assert not clip["stage1"] and "av_sync_unknown" in clip["stage1_reasons"] and clip["stage2"]


def test_face_in_160_pixels_is_for_stage_two_by_lrs2_alone(talker, settings, tmp_path):
    small = cut(talker, tmp_path / "small.mp4", 75, (160, 160))
    (clip,) = routed(small, settings, "lrs2")
    assert 60 <= clip["face_height_px"] < 90
    assert clip["stage2"], clip["stage2_reasons"]
    (clip,) = routed(small, settings, "")
    assert clip["stage2_reasons"] == ["face_too_small"]

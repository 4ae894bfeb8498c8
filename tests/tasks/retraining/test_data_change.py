"""Amount of new footage since a training, and the retraining thresholds."""

import pytest

from heterodub.model.training.sampler import ClipInfo
from heterodub.schemas.config.sections import StageRule
from heterodub.schemas.contract import FPS
from heterodub.tasks.promotion.retraining import DataChange, change_since, is_due
from heterodub.tasks.training.clip_selection import ClipRef
from heterodub.tasks.training.clip_store import ClipSource

HOUR = 3600 * FPS


def clip(name: str, speaker: str, frames: int = HOUR // 2) -> ClipRef:
    return ClipRef(ClipInfo(name, frames, speaker), ClipSource(name, f"media of {name}"), "train", speaker, True)


def test_new_clips_and_speakers_are_counted():
    train = [clip("a1", "ada"), clip("a2", "ada"), clip("b1", "blair"), clip("b2", "blair")]
    assert change_since(train, {"a1", "c1"}) == DataChange(clips=3, hours=1.5, speakers=1, gone=1)


def test_unchanged_footage_is_not_due():
    assert change_since([clip("a1", "ada")], {"a1"}) == DataChange(0, 0, 0, 0)


@pytest.mark.parametrize("short", [{}, {"new_clips": 3}, {"new_hours": 1.5}, {"new_speakers": 1}])
def test_any_single_threshold_triggers_retraining(short):
    rule = StageRule(**{"new_clips": 4, "new_hours": 1.6, "new_speakers": 2} | short)
    assert is_due(DataChange(clips=3, hours=1.5, speakers=1, gone=9), rule) == bool(short)

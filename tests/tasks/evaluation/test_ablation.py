"""Ablation of single-stage footage: both arms are scored on the same speakers, and only one has the added clips."""

from dataclasses import dataclass
from typing import Any

import pytest

from model.metrics.bootstrap import mean_interval
from model.training.sampler import ClipInfo
from schemas.errors import TrainingError
from tasks.evaluation.ablation import ablate_data
from tasks.training.clip_selection import ClipRef, Selection
from tasks.training.data.clip_store import ClipSource, HeldPictures


@dataclass(frozen=True)
class Counted:
    """Scores that are the number of training clips."""

    name: str
    learned: int
    judged: frozenset[str]

    def summary(self) -> dict[str, Any]:
        return {"name": self.name, "learned": self.learned}


def trial(part, judged, name):
    assert not {clip.group for clip in part.train} & {clip.group for clip in judged}
    return Counted(name, len(part.train), frozenset(clip.facts.clip_id for clip in judged))


def together(parts, name):
    return Counted(name, sum(part.learned for part in parts), frozenset().union(*(part.judged for part in parts)))


def gains(half, more):
    return {"clips": mean_interval([more.learned - half.learned])}


def selection(both) -> Selection:
    """Sixteen speakers of two clips each; both(clip): whether the other stage takes a clip, too."""
    ids = [(f"{speaker:x}{clip}", f"speaker {speaker}") for speaker in range(16) for clip in range(2)]
    clips = [ClipRef(ClipInfo(one, 9, name), ClipSource(one, one), "train", name, both(one)) for one, name in ids]
    return Selection(None, HeldPictures({}), tuple(clips), ())


def test_both_arms_are_scored_on_the_same_speakers():
    summary = ablate_data(selection(lambda clip_id: clip_id.endswith("0")), 2, trial, together, gains)
    assert summary.half.judged == summary.more.judged
    assert len(summary.half.judged) == 32  # every speaker is judged in one of the two folds
    assert summary.more.learned == summary.half.learned + summary.added_clips
    assert (summary.half_clips, summary.added_clips) == (
        summary.half.learned,
        summary.added_speakers,
    )  # one of a speaker's two
    result = summary.summary()
    assert result["gains"]["clips"]["mean"] == result["added_clips"] > 0
    assert "more footage" in result["more"]["name"]


def test_ablation_without_added_clips_is_an_error():
    with pytest.raises(TrainingError, match="nothing to add"):
        ablate_data(selection(lambda _: True), 2, trial, together, gains)

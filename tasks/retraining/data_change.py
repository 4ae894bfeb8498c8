"""What is new in a stage's footage since a model learned from it, and whether that is worth a training."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from model.features.timing import frame_to_second
from schemas.config.retraining import StageRule
from schemas.wording import counted
from tasks.training.clip_selection import ClipRef


@dataclass(frozen=True, slots=True)
class DataChange:
    """What a train split holds that was not learned from. gone: clips that were, and are not in the split any more."""

    clips: int
    hours: float
    speakers: int
    gone: int


def change_since(train: Sequence[ClipRef], learned: Collection[str]) -> DataChange:
    """How a train split differs from the clips that were learned from, by their ids.

    A speaker is new when nothing of theirs that is in the split was learned from.
    """
    known = frozenset(learned)
    new = [clip for clip in train if clip.facts.clip_id not in known]
    met = {clip.facts.speaker for clip in train if clip.facts.clip_id in known}
    return DataChange(
        clips=len(new),
        hours=frame_to_second(sum(clip.facts.frames for clip in new)) / 3600,
        speakers=len({clip.facts.speaker for clip in new} - met),
        gone=len(known - {clip.facts.clip_id for clip in train}),
    )


def enough(change: DataChange, rule: StageRule) -> bool:
    """Whether a rule calls for a training."""
    return change.clips >= rule.new_clips or change.hours >= rule.new_hours or change.speakers >= rule.new_speakers


def told(change: DataChange) -> str:
    """A change in words."""
    new = f"{change.clips} new clips ({change.hours:.2f} h), {change.speakers} new speakers"
    return f"{new}, {counted(change.gone, 'clip')} gone" if change.gone else new


def asked(rule: StageRule) -> str:
    """A rule in words."""
    return f"{counted(rule.new_clips, 'clip')}, {rule.new_hours:g} h or {counted(rule.new_speakers, 'speaker')}"

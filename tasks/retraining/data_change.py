"""New footage of a stage since a model was trained on it, and the rule that calls for a training."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from model.features.timing import frame_to_second
from schemas.config.retraining import StageRule
from schemas.wording import counted
from tasks.training.clip_selection import ClipRef


@dataclass(frozen=True, slots=True)
class DataChange:
    """Footage of a train split that was not trained on. gone: clips that were, and are not in the split any more."""

    clips: int
    hours: float
    speakers: int
    gone: int


def change_since(train: Sequence[ClipRef], learned: Collection[str]) -> DataChange:
    """Compare a train split with the clips that were trained on, by their ids.

    A speaker is new if none of their clips in the split was trained on.
    """
    known = frozenset(learned)
    new = [clip for clip in train if clip.facts.clip_id not in known]
    known_speakers = {clip.facts.speaker for clip in train if clip.facts.clip_id in known}
    return DataChange(
        clips=len(new),
        hours=frame_to_second(sum(clip.facts.frames for clip in new)) / 3600,
        speakers=len({clip.facts.speaker for clip in new} - known_speakers),
        gone=len(known - {clip.facts.clip_id for clip in train}),
    )


def is_due(change: DataChange, rule: StageRule) -> bool:
    """Return True if a rule calls for a training."""
    return change.clips >= rule.new_clips or change.hours >= rule.new_hours or change.speakers >= rule.new_speakers


def change_text(change: DataChange) -> str:
    """Describe a change in words."""
    new = f"{change.clips} new clips ({change.hours:.2f} h), {change.speakers} new speakers"
    return f"{new}, {counted(change.gone, 'clip')} gone" if change.gone else new


def rule_text(rule: StageRule) -> str:
    """Describe a rule in words."""
    return f"{counted(rule.new_clips, 'clip')}, {rule.new_hours:g} h or {counted(rule.new_speakers, 'speaker')}"

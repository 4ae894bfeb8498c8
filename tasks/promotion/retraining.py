"""Decision whether a stage needs a training, and which steps were done before; all state is in registry and ledger.

The footage is compared with that of the newest version that was tried already: one that was champion, or was evaluated
with the same settings and not promoted. So the same footage is not tried again each week, which would cost time and,
since a gate errs now and then, let a model through by chance in the end.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.config.sections import StageName, StageRule
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import counted
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.promotion.evaluators import evaluator_of
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.champions import Champions, Standing
from heterodub.tasks.tracking.lineage import Clips, trained_on
from heterodub.tasks.tracking.models import Version
from heterodub.tasks.tracking.registry import EVALUATED, finished_training, kept_out, trained_by
from heterodub.tasks.tracking.store import Tracking, open_tracking
from heterodub.tasks.training.clip_selection import ClipRef, Selection, candidates, find_release, select
from heterodub.tasks.training.run_dirs import training_folder
from heterodub.tasks.training.tracked_run import settings_hash


@dataclass(frozen=True, slots=True)
class DataChange:
    """Footage of a train split that was not trained on. gone: clips that were, and are not in the split any more."""

    clips: int
    hours: float
    speakers: int
    gone: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """Steps that a stage needs, and why. since: the version that footage is compared with, None for none.

    trained: the version of an earlier training on exactly this. evaluated: True if its scores are logged already.
    """

    stage: StageName
    model: str
    release: str
    due: bool
    due_reason: str
    champion: int | None
    since: int | None = None
    change: DataChange | None = None
    trained: int | None = None
    evaluated: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """Newest version that was tried, and its fate in words."""

    version: Version
    fate: str


def decide(settings: Settings, stage: StageName) -> Outlook:
    """Compare the newest release with the footage that was tried already. An interrupted move is completed first.

    Raises: NotFoundError - there is no release. TrainingError - it is of another version of heterodub. TrackingError,
    SettingsError - the tracking store. PromotionError - the champion's version was deleted.
    """
    evaluator = evaluator_of(stage)
    ws = Workspace.open(settings.workspace)
    tracking, release = open_tracking(settings.tracking, ws), find_release(ws, None)
    standing = Champions(tracking, ws, evaluator.model).reconcile()
    outlook = partial(Outlook, stage, evaluator.model, release.release_id, champion=standing.champion)
    try:
        selection = _trainable(ws, release, evaluator.stage)
    except TrainingError as error:
        return outlook(due=False, due_reason=str(error))
    stage_settings = settings.stage1 if stage == "stage1" else settings.stage2
    tried = last_tried(tracking, evaluator.model, standing, settings_hash(stage_settings))
    learned = None if tried is None else trained_on(tracking, ws, tried.version)
    due, due_reason, change = _compare(evaluator.model, tried, learned, selection.train, settings.retrain.rule(stage))
    training = training_folder(selection, stage_settings, stage).name
    before = finished_training(tracking, evaluator.model, training) if due else None
    return outlook(
        due=due,
        due_reason=due_reason,
        since=tried.version.number if tried else None,
        change=change,
        trained=before.version.number if before else None,
        evaluated=before is not None and before.tags.get(EVALUATED) == release.release_id,
    )


def last_tried(tracking: Tracking, model: str, standing: Standing, settings: str) -> Tried | None:
    """Return the newest version that is or was champion, or was trained by the same settings and not promoted."""
    champions = {move.to_version for move in standing.moves}
    refused, same = kept_out(tracking, model), trained_by(tracking, model, settings)
    for version in reversed(standing.versions):
        if version.number == standing.champion:
            return Tried(version, "the champion")
        if version.number in champions:
            return Tried(version, "champion once")
        if version.number in refused and version.number in same:
            return Tried(version, f"kept out: {refused[version.number]}")
    return None


def _trainable(ws: Workspace, release: Release, stage: Stage) -> Selection:
    """Select the stage's clips for training and validation. Raises: TrainingError - there is nothing to test on."""
    selection = select(ws, release, stage)
    if all(clip.split != "test" for clip in candidates(ws, release, stage)):
        raise TrainingError(
            f"release {release.release_id} has no {stage.value} clip in its test split, so no model could be "
            "evaluated: ingest more speakers"
        )
    return selection


def _compare(
    model: str, tried: Tried | None, learned: Clips | None, train: Sequence[ClipRef], rule: StageRule
) -> tuple[bool, str, DataChange | None]:
    """Decide whether a training is due; returns that, the reason, and the change. learned: training data of `tried`."""
    if tried is None:
        return True, f"no {model} was tried yet", None
    number = tried.version.number
    if takedowns := tried.version.taken_down:
        return True, f"version {number} was trained on footage that was taken down ({takedowns})", None
    if learned is None:
        return True, f"the training data of version {number} are not known any more", None
    change = change_since(train, {clip["clip_id"] for clip in learned if clip["split"] == "train"})
    what = f"{change_text(change)} since version {number} ({tried.fate})"
    if is_due(change, rule):
        return True, what, change
    return False, f"{what}; a training waits for {rule_text(rule)}", change


def change_since(train: Sequence[ClipRef], learned: Collection[str]) -> DataChange:
    """Compare a train split with the clips that were trained on, by their ids.

    A speaker is new if none of their clips in the split was trained on.
    """
    trained_ids = frozenset(learned)
    new = [clip for clip in train if clip.facts.clip_id not in trained_ids]
    known_speakers = {clip.facts.speaker for clip in train if clip.facts.clip_id in trained_ids}
    return DataChange(
        clips=len(new),
        hours=frame_to_second(sum(clip.facts.frames for clip in new)) / 3600,
        speakers=len({clip.facts.speaker for clip in new} - known_speakers),
        gone=len(trained_ids - {clip.facts.clip_id for clip in train}),
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

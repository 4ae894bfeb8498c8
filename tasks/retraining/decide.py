"""Decision whether a stage needs a training, and which steps were done before; all state is in registry and ledger.

The footage is compared with that of the newest version that was tried already: one that was champion, or was evaluated
with the same settings and not promoted. So the same footage is not tried again each week, which would cost time and,
since a gate errs now and then, let a model through by chance in the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.config.retraining import StageName, StageRule
from schemas.config.settings import Settings
from schemas.errors import TrainingError
from tasks.promotion import alias_moves, ledger
from tasks.promotion.eligibility import TAKEN_DOWN
from tasks.promotion.evaluators import StageEvaluator, evaluator_of
from tasks.promotion.training_data import trained_on
from tasks.releases.releases import Release
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import ClipRef, Selection, candidates, find_release, select
from tasks.training.run_dirs import training_folder
from tasks.training.tracked_run import settings_hash

from .data_change import DataChange, change_since, change_text, is_due, rule_text

if TYPE_CHECKING:
    from tasks.tracking.models import Version
    from tasks.tracking.store import Tracking


@dataclass(frozen=True, slots=True)
class Outlook:
    """Steps that a stage needs, and why. since: the version that footage is compared with, None for none.

    trained: the version of an earlier training on exactly this. evaluated: True if its scores are logged already.
    """

    stage: StageName
    model: str
    release: str
    due: bool
    why: str
    champion: int | None
    since: int | None = None
    change: DataChange | None = None
    trained: int | None = None
    evaluated: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """Newest version that was tried, and its fate in words."""

    version: "Version"
    fate: str


def decide(settings: Settings, stage: StageName) -> Outlook:
    """Compare the newest release with the footage that was tried already. An interrupted move is completed first.

    Raises: NotFoundError - there is no release. TrainingError - it is of another version of heterodub. TrackingError,
    SettingsError - the tracking store. PromotionError - the champion's version was deleted.
    """
    from tasks.tracking.queries import EVALUATED, finished_training
    from tasks.tracking.store import open_tracking

    ws, evaluator = Workspace.open(settings.workspace), evaluator_of(stage)
    release, tracking = find_release(ws, None), open_tracking(settings.tracking, ws)
    champion = alias_moves.reconcile(tracking, ws, evaluator.model).champion
    try:
        selection = _trainable(ws, release, evaluator)
    except TrainingError as error:
        return Outlook(stage, evaluator.model, release.release_id, False, str(error), champion)
    stage_settings = settings.stage1 if stage == "stage1" else settings.stage2
    tried = last_tried(tracking, ws, evaluator, champion, settings_hash(stage_settings))
    due, why, change = _compare(tracking, ws, evaluator, tried, selection.train, settings.retrain.rule(stage))
    since = tried.version.number if tried else None
    before = (
        finished_training(tracking, evaluator.model, training_folder(ws, selection, stage_settings, stage).name)
        if due
        else None
    )
    return Outlook(
        stage,
        evaluator.model,
        release.release_id,
        due,
        why,
        champion,
        since,
        change,
        before.version.number if before else None,
        before is not None and before.tags.get(EVALUATED) == release.release_id,
    )


def last_tried(
    tracking: "Tracking", ws: Workspace, evaluator: StageEvaluator, champion: int | None, settings: str
) -> Tried | None:  # fmt: skip
    """Return the newest version that is or was champion, or was trained by the same settings and not promoted."""
    from tasks.tracking.queries import kept_out, trained_by
    from tasks.tracking.registry import versions

    champions = {move.to_version for move in ledger.moves(ws, evaluator.model)}
    refused, same = kept_out(tracking, evaluator.model), trained_by(tracking, evaluator.model, settings)
    for version in reversed(versions(tracking, evaluator.model)):
        if version.number == champion:
            return Tried(version, "the champion")
        if version.number in champions:
            return Tried(version, "champion once")
        if version.number in refused and version.number in same:
            return Tried(version, f"kept out: {refused[version.number]}")
    return None


def _trainable(ws: Workspace, release: Release, evaluator: StageEvaluator) -> Selection:
    """Select the stage's clips for training and validation. Raises: TrainingError - there is nothing to test on."""
    selection = select(ws, release, evaluator.stage)
    if all(clip.split != "test" for clip in candidates(ws, release, evaluator.stage)):
        raise TrainingError(
            f"release {release.release_id} has no {evaluator.stage.value} clip in its test split, so no model could be "
            "evaluated: ingest more speakers"
        )
    return selection


def _compare(
    tracking: "Tracking",
    ws: Workspace,
    evaluator: StageEvaluator,
    tried: Tried | None,
    train: Sequence[ClipRef],
    rule: StageRule,
) -> tuple[bool, str, DataChange | None]:
    """Decide whether a training is due; returns that, the reason, and the change."""
    if tried is None:
        return True, f"no {evaluator.model} was tried yet", None
    number = tried.version.number
    if taken := tried.version.tags.get(TAKEN_DOWN):
        return True, f"version {number} was trained on footage that was taken down ({taken})", None
    learned = trained_on(tracking, ws, tried.version, evaluator.stage)
    if learned is None:
        return True, f"the training data of version {number} are not known any more", None
    change = change_since(train, {clip["clip_id"] for clip in learned if clip["split"] == "train"})
    what = f"{change_text(change)} since version {number} ({tried.fate})"
    if is_due(change, rule):
        return True, what, change
    return False, f"{what}; a training waits for {rule_text(rule)}", change

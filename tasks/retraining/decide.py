"""Whether a stage is due for a training, and what of it was done before. All state is the registry's and the ledger's.

A stage is weighed against the newest version that was tried already: whoever was champion, or was judged with the same
settings and kept out. So footage that was tried once is not tried again each week, which would cost time and, since a
gate errs now and then, in the end let a model through by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.config.retraining import StageName, StageRule
from schemas.config.settings import Settings
from schemas.errors import TrainingError
from tasks.promotion import alias_moves, ledger
from tasks.promotion.eligibility import TAKEN_DOWN
from tasks.promotion.evaluators import StageEvaluator, judge_of
from tasks.promotion.training_data import trained_on
from tasks.releases.releases import Release
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import ClipRef, Selection, candidates, find_release, select
from tasks.training.run_dirs import training_folder
from tasks.training.tracked_run import settings_hash

from .data_change import DataChange, asked, change_since, enough, told

if TYPE_CHECKING:
    from tasks.tracking.models import Version
    from tasks.tracking.store import Tracking


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be done about a stage, and why. since: the version that footage is compared with, None for none.

    trained: the version that a training on exactly this made before. evaluated: whether its scores are kept already.
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
    """The newest version that was tried, and what became of it, in words."""

    version: "Version"
    fate: str


def weigh(settings: Settings, stage: StageName) -> Outlook:
    """Hold the newest release against what was tried already. A move that was left half done is carried out first.

    Raises: NotFoundError - there is no release. TrainingError - it is of another version of heterodub. TrackingError,
    SettingsError - the tracking store. PromotionError - the champion's version was deleted.
    """
    from tasks.tracking.queries import EVALUATED, finished_training
    from tasks.tracking.store import open_tracking

    ws, judge = Workspace.open(settings.workspace), judge_of(stage)
    release, tracking = find_release(ws, None), open_tracking(settings.tracking, ws)
    champion = alias_moves.reconcile(tracking, ws, judge.model).champion
    try:
        selection = _trainable(ws, release, judge)
    except TrainingError as error:
        return Outlook(stage, judge.model, release.release_id, False, str(error), champion)
    own = settings.stage1 if stage == "stage1" else settings.stage2
    tried = last_tried(tracking, ws, judge, champion, settings_hash(own))
    due, why, change = _ruling(tracking, ws, judge, tried, selection.train, settings.retrain.rule(stage))
    since = tried.version.number if tried else None
    before = finished_training(tracking, judge.model, training_folder(ws, selection, own, stage).name) if due else None
    return Outlook(
        stage,
        judge.model,
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
    tracking: "Tracking", ws: Workspace, judge: StageEvaluator, champion: int | None, settings: str
) -> Tried | None:  # fmt: skip
    """The newest version that is or was champion, or was trained by settings of this identity and kept out."""
    from tasks.tracking.queries import kept_out, trained_by
    from tasks.tracking.registry import versions

    crowned = {move.to_version for move in ledger.moves(ws, judge.model)}
    refused, same = kept_out(tracking, judge.model), trained_by(tracking, judge.model, settings)
    for version in reversed(versions(tracking, judge.model)):
        if version.number == champion:
            return Tried(version, "the champion")
        if version.number in crowned:
            return Tried(version, "champion once")
        if version.number in refused and version.number in same:
            return Tried(version, f"kept out: {refused[version.number]}")
    return None


def _trainable(ws: Workspace, release: Release, judge: StageEvaluator) -> Selection:
    """The stage's clips, where there are some to learn from, to look at and to be judged on."""
    selection = select(ws, release, judge.stage)
    if all(clip.split != "test" for clip in candidates(ws, release, judge.stage)):
        raise TrainingError(
            f"release {release.release_id} has no {judge.stage.value} clip in its test split, so no model could be "
            "judged: ingest more speakers"
        )
    return selection


def _ruling(
    tracking: "Tracking",
    ws: Workspace,
    judge: StageEvaluator,
    tried: Tried | None,
    train: Sequence[ClipRef],
    rule: StageRule,
) -> tuple[bool, str, DataChange | None]:
    """Whether a training is due, why or why not, and what changed."""
    if tried is None:
        return True, f"no {judge.model} was tried yet", None
    number = tried.version.number
    if taken := tried.version.tags.get(TAKEN_DOWN):
        return True, f"version {number} was trained on footage that was taken down ({taken})", None
    learned = trained_on(tracking, ws, tried.version, judge.stage)
    if learned is None:
        return True, f"nobody knows any more what version {number} was trained on", None
    change = change_since(train, {clip["clip_id"] for clip in learned if clip["split"] == "train"})
    what = f"{told(change)} since version {number} ({tried.fate})"
    if enough(change, rule):
        return True, what, change
    return False, f"{what}; a training waits for {asked(rule)}", change

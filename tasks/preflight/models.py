"""Checks of the commands about models: train, finetune, evaluate, ablate, reproduce, promote, rollback, retrain.

Each takes its flow's parameters, and returns the flow's settings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from heterodub.schemas.cards import MODEL_OF, TRANSLATOR
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import SettingsError
from heterodub.schemas.promotion import load_promotion_policy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.promotion.evaluators import evaluator_of, require_measured
from heterodub.tasks.stores.outputs import require_own_table
from heterodub.tasks.stores.workspace import Workspace

from .parts import require_clips, require_model, require_scheduler, require_tracking, require_writable

StageName = Literal["stage1", "stage2"]


def check_train(
    stage: StageName,
    release: str | None,
    workspace: str | None,
    config: str | None,
    section: str,
    chosen: Mapping[str, Any],
) -> Settings:
    """Refuse a training that could not begin; returns its settings. section: of the settings that `chosen` overrides.

    Raises: NotFoundError, TrainingError - the release. TrackingError, SettingsError, WorkspaceError.
    """
    settings = load_settings(config, workspace=workspace, **{section: dict(chosen)})
    require_clips(settings, release, Stage(stage), "train", "val")
    require_tracking(settings)
    return settings


def check_finetune(
    clip: str,
    model: str | None,
    release: str | None,
    workspace: str | None,
    config: str | None,
    chosen: Mapping[str, Any],
) -> Settings:
    """Refuse a fine-tuning that could not begin; returns its settings.

    Raises: NotFoundError - the release, the clip. TrackingError - the model. SettingsError, WorkspaceError.
    """
    from heterodub.tasks.training.clip_selection import clip_named

    settings = load_settings(config, workspace=workspace, stage2=dict(chosen))
    chosen_release = require_clips(settings, release, Stage.STAGE2)
    clip_named(Workspace.open(settings.workspace), chosen_release, clip)
    require_model(settings, TRANSLATOR, model)
    return settings


def check_evaluate(
    stage: StageName,
    model: str | None,
    release: str | None,
    split: str,
    folds: int | None,
    fold: int | None,
    speakers: int | None,
    workspace: str | None,
    config: str | None,
    preset: str | None,
) -> Settings:
    """Refuse an evaluation, or an ablation of data by folds, that could not begin; returns its settings.

    Raises: NotFoundError, TrainingError - the release. TrackingError - the model. SettingsError, WorkspaceError.
    """
    settings = load_settings(config, workspace=workspace, **{stage: {"preset": preset}})
    if folds is None and (fold or speakers):
        raise SettingsError("`fold` and `speakers` apply only with `folds`")
    if folds is not None and model is not None:
        raise SettingsError("with `folds` new models are trained, so no `model` can be named")
    _require_fold(folds, fold)
    if folds is not None:
        require_clips(settings, release, Stage(stage), "train")
        return settings
    require_clips(settings, release, Stage(stage), split)
    require_model(settings, MODEL_OF[stage], model)
    return settings


def check_ablate_finetuning(
    model: str | None,
    release: str | None,
    split: str,
    workspace: str | None,
    config: str | None,
    chosen: Mapping[str, Any],
) -> Settings:
    """Refuse an ablation of fine-tuning that could not begin; returns its settings. Raises: as check_evaluate."""
    settings = load_settings(config, workspace=workspace, stage2=dict(chosen))
    require_clips(settings, release, Stage.STAGE2, split)
    require_model(settings, TRANSLATOR, model)
    return settings


def check_reproduce(
    table: str,
    minutes: float,
    release: str | None,
    folds: int | None,
    fold: int,
    out: str | None,
    workspace: str | None,
    config: str | None,
    preset: str | None,
) -> Settings:
    """Refuse a table of the paper that could not be begun; returns its settings.

    Raises: NotFoundError, TrainingError - the release. SettingsError - the rest. TrackingError, WorkspaceError.
    """
    sections = {name: {"preset": preset} for name in ("stage1", "stage2", "baselines")}
    settings = load_settings(config, workspace=workspace, **sections)
    if not minutes > 0:
        raise SettingsError(f"minutes = {minutes:g}: must be more than 0")
    _require_fold(folds, fold)
    for stage in Stage:
        require_clips(settings, release, stage, "train")
    require_tracking(settings)
    if out is not None:
        require_writable(Path(out))
        require_own_table(Path(out), table)
    return settings


def _require_fold(folds: int | None, fold: int | None) -> None:
    if folds is not None and fold is not None and fold > folds:
        raise SettingsError(f"fold {fold} of {folds} does not exist: folds are numbered from 1")


def check_promote(
    stage: StageName,
    model: str | None,
    policy: str | None,
    workspace: str | None,
    config: str | None,
    override: bool = False,
    reason: str | None = None,
) -> Settings:
    """Refuse a promotion that could not begin; returns its settings.

    Raises: SettingsError - the policy; or an override without a reason, a reason without an override. NotFoundError,
    TrainingError - the release. TrackingError - the model. WorkspaceError.
    """
    if override is not bool((reason or "").strip()):
        raise SettingsError("an override needs its reason (--reason), and only an override has one")
    settings = load_settings(config, workspace=workspace, promotion=policy)
    evaluator = evaluator_of(stage)
    if not override:
        require_measured(evaluator, load_promotion_policy(settings.promotion).rule(evaluator.model))
        require_clips(settings, None, evaluator.stage)
    require_model(settings, evaluator.model, model, may_be_folder=False)
    return settings


def check_rollback(
    reason: str, stage: StageName, to: int | None, workspace: str | None, config: str | None
) -> Settings:
    """Refuse a rollback that could not begin; returns its settings.

    Raises: SettingsError - no reason is given. TrackingError - the version. WorkspaceError.
    """
    if not reason.strip():
        raise SettingsError("a rollback needs a reason for the ledger (--reason)")
    settings = load_settings(config, workspace=workspace)
    require_model(settings, MODEL_OF[stage], None if to is None else str(to), may_be_folder=False)
    return settings


def check_retrain(workspace: str | None, config: str | None) -> Settings:
    """Refuse a retraining that could not begin; returns its settings. Corpora are checked by the ingest of each: one
    that is not reachable must not stop the others.

    Raises: SettingsError - the promotion policy. WorkspaceError, ClusterError, TrackingError.
    """
    settings = load_settings(config, workspace=workspace)
    load_promotion_policy(settings.promotion)
    if Workspace.to_be(settings.workspace) is not None:
        require_tracking(settings)
    require_scheduler(settings.run.dask)
    return settings

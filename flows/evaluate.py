"""From a model to scores that can be trusted: beside its controls, with intervals, on speakers it has not seen."""

from typing import Any, Literal

from prefect import flow

from schemas.settings import load_settings
from tasks.evaluate import (
    compare_data,
    judge_dubs,
    judge_folds,
    judge_model,
    judge_translator,
    judge_translator_folds,
    judge_tuning,
    show_scores,
)


@flow(name="evaluate")
def evaluate(
    stage: Literal["stage1"] = "stage1",
    model: str | None = None,
    release: str | None = None,
    split: Literal["val", "test"] = "test",
    folds: int | None = None,
    references: int = 8,
    workspace: str | None = None,
    config: str | None = None,
    profile: str | None = None,
    speakers: int | None = None,
) -> dict[str, Any]:
    """Score a generator on a split of a release, or, with `folds`, train and score one for each fold of the speakers.

    model: folder, version number, @alias or run id; the newest version if left out. references: frames of a clip that
    the generator is told. speakers: with folds, learn from so many speakers at most. Returns the scores and a
    row for each clip and system.

    Raises: HeterodubError - the model, the release, the store or the tracking server; the text says what to do.
    """
    settings = load_settings(config, workspace=workspace, stage1={"profile": profile})
    if folds is None:
        found = judge_model(settings, model, release, split, references)
    else:
        found = judge_folds(settings, release, folds, references, speakers)
    show_scores(found, "stage1-scores")
    return found.summary() | {"rows": found.clips()}


@flow(name="evaluate-stage2")
def evaluate_stage2(
    model: str | None = None,
    release: str | None = None,
    split: Literal["train", "val", "test"] = "test",
    folds: int | None = None,
    fold: int | None = None,
    references: int = 8,
    workspace: str | None = None,
    config: str | None = None,
    profile: str | None = None,
) -> dict[str, Any]:
    """Score a translator on a split of a release, or, with `folds`, train and score one for each fold of the speakers.

    fold: of these folds that one alone, from 1. The rest as in evaluate.

    Raises: HeterodubError - the model, the release, the store or the tracking server; the text says what to do.
    """
    settings = load_settings(config, workspace=workspace, stage2={"profile": profile})
    if folds is None:
        found = judge_translator(settings, model, release, split, references)
    else:
        found = judge_translator_folds(settings, release, folds, fold, references)
    show_scores(found, "stage2-scores")
    return found.summary() | {"rows": found.clips()}


@flow(name="evaluate-dub")
def evaluate_dub(
    manifest: str,
    generator: str = "@champion",
    translator: str = "@champion",
    release: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Dub a manifest's videos (columns as of `dub`) with their own speech and with the named one, and score the files.

    Raises: HeterodubError - the manifest, the models or the release; the text says what to do.
    """
    settings = load_settings(config, workspace=workspace)
    return judge_dubs(settings, manifest, generator, translator, release).summary()


@flow(name="ablate-tuning")
def ablate_tuning(
    model: str | None = None,
    release: str | None = None,
    split: Literal["val", "test"] = "test",
    seconds: float | None = None,
    steps: int | None = None,
    workspace: str | None = None,
    config: str | None = None,
    profile: str | None = None,
) -> dict[str, Any]:
    """What fine-tuning is worth: on the first seconds of one clip of each speaker, judged on the rest of that clip.

    Raises: HeterodubError - as evaluate.
    """
    chosen = {"profile": profile, "tuning": {"steps": steps, "seconds": seconds}}
    settings = load_settings(config, workspace=workspace, stage2=chosen)
    told: dict[str, Any] = judge_tuning(settings, model, release, split)
    return told


@flow(name="ablate-data")
def ablate_data(
    release: str | None = None,
    folds: int = 3,
    references: int = 8,
    workspace: str | None = None,
    config: str | None = None,
    profile: str | None = None,
    stage: Literal["stage1", "stage2"] = "stage1",
) -> dict[str, Any]:
    """Repeat the paper's point: half of the speakers, against the same half and more footage good for one stage alone.

    Returns the scores of both, and what was added.

    Raises: HeterodubError - as evaluate.
    """
    settings = load_settings(config, workspace=workspace, **{stage: {"profile": profile}})
    found = compare_data(settings, stage, release, folds, references)
    show_scores(found.half, "ablation-half")
    show_scores(found.more, "ablation-half-and-more")
    told: dict[str, Any] = found.summary() | {"stage": stage}
    return told

"""The clips that a model is scored on."""

from typing import TYPE_CHECKING, Final, get_args

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.evaluation import Evaluation, Split
from heterodub.tasks.releases import benchmarks, releases
from heterodub.tasks.releases.releases import Release, table_files
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import ClipRef, candidates

if TYPE_CHECKING:
    from heterodub.tasks.tracking.runs import InputData

BENCHMARK: Final = "benchmark "


def scored_clips(ws: Workspace, release: Release, stage: Stage, split: Split) -> tuple[list[ClipRef], str]:
    """Return the clips of a split to score on and their name. Of a test split, the frozen benchmark: the split itself
    grows.

    Raises: PromotionError - the frozen clips are not those stored, or there is nothing to freeze. NotFoundError.
    """
    clips = candidates(ws, release, stage)
    if split != "test":
        return [clip for clip in clips if clip.split == split], f"the {split} split"
    frozen = benchmarks.freeze(ws, release, stage, "first evaluated")
    benchmarks.verify(ws, frozen, table_files(ws, release, stage.value))
    frozen_ids = {clip.clip_id for clip in benchmarks.scored(ws, frozen).clips}
    return [clip for clip in clips if clip.facts.clip_id in frozen_ids], f"{BENCHMARK}{frozen.benchmark}"


def scored_data(ws: Workspace, evaluation: Evaluation) -> "InputData | None":
    """Describe the clips of an evaluation as a data set of MLflow; None of folds, and of a release that was erased.

    The val split is the data set that trainings log as their input.
    """
    from heterodub.tasks.tracking.runs import InputData, benchmark_input, release_input

    name = evaluation.evaluated_on
    if name.startswith(BENCHMARK):
        return InputData(benchmark_input(ws, name.removeprefix(BENCHMARK), evaluation.stage), "test")
    split = next((split for split in get_args(Split) if name == f"the {split} split"), None)
    if split is None:
        return None
    try:
        release = releases.find(ws, evaluation.release)
    except NotFoundError:
        return None
    return InputData(release_input(ws, release, evaluation.stage, split), split)

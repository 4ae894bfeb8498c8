"""The clips that a model is scored on."""

from typing import Final

from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.evaluation import Split
from heterodub.tasks.releases import benchmarks
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import ClipRef, candidates

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
    benchmarks.verify(ws, frozen, release.versions[stage.value])
    frozen_ids = {clip.clip_id for clip in frozen.clips}
    return [clip for clip in clips if clip.facts.clip_id in frozen_ids], f"{BENCHMARK}{frozen.benchmark}"

"""Correlation of a linear map from pose to mouth opening, with the shipped filter and without.

`python -m tests.bench.leak WORKSPACE`. Everything is fitted on a fold's training speakers and tried on those held
out: the filter, and a ridge regression of fixed strength from one frame's pose to the mouth opening. Speakers weigh
the same.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from heterodub.model.evaluation.generator import GeneratorEvalClip
from heterodub.model.features.landmarks import mouth_opening
from heterodub.model.stage1.pose_filter import COORDINATES, PoseMoments
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.evaluation.cross_validation import folds
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import find_release, select
from heterodub.tasks.training.stage1 import read_eval_clips

_RIDGE = 1e-4
"""Share of the pose's mean variance: weak, so that the map may read whatever is there."""


def main(root: str, count: int = 3) -> None:
    """Print the mean over unseen speakers of the correlation with the true opening, a row a kind of pose."""
    workspace = Workspace.open(root)
    selection = select(workspace, find_release(workspace, None), Stage.STAGE1)
    for sigma, filtered in ((0.0, False), (4.0, False), (8.0, False), (20.0, False), (4.0, True)):
        shape = Stage1Settings().architecture.model_copy(update={"pose_sigma_frames": sigma})
        settings = Stage1Settings(architecture=shape)
        collected: dict[str, list[float]] = {}
        for fold, held in folds(selection, count):
            train, judged = (read_eval_clips(fold, clips, settings) for clips in ((*fold.train, *fold.val), held))
            for speaker, value in _told(train, judged, shape.pose_components if filtered else 0):
                collected.setdefault(speaker, []).append(value)
        mean = np.mean([np.mean(values) for values in collected.values()])
        print(
            f"sigma {sigma:4.1f} {'filtered' if filtered else 'as it is':9s} r {mean:5.2f}  {len(collected)} speakers"
        )


def _told(
    train: Sequence[GeneratorEvalClip], judged: Sequence[GeneratorEvalClip], components: int
) -> list[tuple[str, float]]:
    footage = Counter[str]()
    for eval_clip in train:
        footage[eval_clip.speaker] += len(eval_clip.prepared.counts_T)
    see = _filter(train, footage, components)
    pose = np.concatenate([see(eval_clip) / footage[eval_clip.speaker] ** 0.5 for eval_clip in train])
    gap = np.concatenate([_opening(eval_clip) / footage[eval_clip.speaker] ** 0.5 for eval_clip in train])
    strength = _RIDGE * np.trace(pose.T @ pose) / COORDINATES
    weights = np.linalg.solve(pose.T @ pose + strength * np.eye(COORDINATES), pose.T @ gap)
    return [
        (eval_clip.speaker, float(np.corrcoef(see(eval_clip) @ weights, _opening(eval_clip))[0, 1]))
        for eval_clip in judged
    ]


def _filter(
    train: Sequence[GeneratorEvalClip], footage: Counter[str], components: int
) -> Callable[[GeneratorEvalClip], np.ndarray]:
    seen = np.eye(COORDINATES)
    if components:
        moments = PoseMoments()
        for eval_clip in train:
            moments.add(eval_clip.prepared, 1 / footage[eval_clip.speaker])
        seen = moments.filter(components).astype(float)

    def see(eval_clip: GeneratorEvalClip) -> np.ndarray:
        pose = eval_clip.prepared.pose_TPXY.reshape(-1, COORDINATES).astype(float)
        return (pose - pose.mean(axis=0)) @ seen

    return see


def _opening(eval_clip: GeneratorEvalClip) -> np.ndarray:
    gap = mouth_opening(eval_clip.prepared.points_TPXY.astype(float))
    return gap - gap.mean()


if __name__ == "__main__":
    main(sys.argv[1])

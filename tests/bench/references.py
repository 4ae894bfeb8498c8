"""The untrained warp by number and path of its reference frames, on clips of a workspace.

`python -m tests.bench.references WORKSPACE [CLIPS]`: a clip of each speaker, 24 frames in its middle, true landmarks.
No frame within 5 of the one that is made may be its reference. Means over clips, and the paired change against the
nearest of 8, with 95 % intervals over clips.
"""

import sys
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from heterodub.model.dubbing.faces import Track, reference_pictures
from heterodub.model.evaluation.image_scores import clip_scores
from heterodub.model.evaluation.translator import EvalWindow, TranslatorEvalClip
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import SLICES
from heterodub.model.perceptual import Lite0
from heterodub.model.stage2 import warp
from heterodub.model.stage2.batches import FaceClip
from heterodub.schemas.reasons import Stage
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import candidates, few_a_speaker, find_release
from heterodub.tasks.training.clip_store import StoredClips
from heterodub.tasks.training.datasets import face_clip

_SIDE, _SPAN, _APART, _LEAST = 128, 24, 5, 110
_SYSTEMS = (("nearest of 8", 8, False), ("nearest of 64", 64, False), ("64, on a path", 64, True))
_SCORES = (
    "perceptual_mouth",
    "perceptual_lower",
    "perceptual_heldout_lower",
    "sharpness_mouth",
    "sharpness_lower",
    "flicker",
)


def bench(root: str, most: int) -> None:
    """Print the scores of each system."""
    lite0, scores = Lite0(), {name: [] for name, _, _ in _SYSTEMS}
    for clip in _clips(Workspace.open(root), most):
        for name, count, on_path in _SYSTEMS:
            window = EvalWindow(clip, np.zeros(0, np.intp), _span(clip.face_clip))
            crops = _warped(clip.face_clip, window, count, on_path)
            metrics = clip_scores(window, "warp", crops, lite0).metrics
            scores[name].append([metrics[score] for score in _SCORES])
    draws = np.random.default_rng(0)
    first = np.array(scores[_SYSTEMS[0][0]], float)
    for name, _, _ in _SYSTEMS:
        values = np.array(scores[name], float)
        picks = draws.integers(0, len(values), (4000, len(values)))
        changes = values[picks].mean(axis=1) / first[picks].mean(axis=1) - 1
        for score, mean, change, low, high in zip(
            _SCORES,
            values.mean(axis=0),
            values.mean(axis=0) / first.mean(axis=0) - 1,
            *np.quantile(changes, (0.025, 0.975), axis=0),
            strict=True,
        ):
            print(f"{name:16s} {score:26s} {mean:.3f}  {change:+.1%} ({low:+.1%} to {high:+.1%}), {len(values)} clips")


def _clips(workspace: Workspace, most: int) -> Iterator[TranslatorEvalClip]:
    release = find_release(workspace, None)
    stored = StoredClips.of(workspace, release, Stage.STAGE2)
    long = [clip for clip in candidates(workspace, release, Stage.STAGE2) if clip.facts.frames >= _LEAST]
    for clip in few_a_speaker(long, 1)[:most]:
        faces = face_clip(stored.pictures(clip.place), _SIDE)
        yield TranslatorEvalClip(clip.facts.clip_id, clip.facts.speaker, faces)


def _span(clip: FaceClip) -> slice:
    middle = clip.frames // 2
    return slice(middle - _SPAN // 2, middle + _SPAN // 2)


def _warped(clip: FaceClip, window: EvalWindow, count: int, on_path: bool) -> NDArray[np.float32]:
    points, tracked = clip.landmarks_TPXY, clip.tracked_T
    nose = FaceFrame.of(points).enter(points)[:, SLICES["nose_bridge"]][:, -3:, 0].mean(axis=1).astype(np.float32)
    references = reference_pictures(Track(0, 0, points, tracked, ~tracked, nose), count)
    frames = np.arange(window.span.start, window.span.stop)
    apart = warp.distances(points[references], window.landmarks)
    apart[np.abs(frames[:, None] - references) <= _APART] = np.inf
    shown = references[warp.steady_path(apart) if on_path else apart.argmin(axis=1)]
    moved = warp.warped(
        torch.from_numpy(clip.pictures_TSS3[shown][:, None]),
        torch.from_numpy(points[shown][:, None]),
        torch.from_numpy(window.landmarks),
    )
    return warp.blended(window.crops, moved[:, 0].permute(0, 2, 3, 1).numpy(), window.landmarks)


if __name__ == "__main__":
    bench(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40)

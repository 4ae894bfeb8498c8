"""Fit the regression of av_sync.py: `python -m tests.bench.fit_av_sync WORKSPACE [-o FILE]`.

Learns from the stage-1 rows of a workspace, holds speakers out in turn to measure how well own sound is distinguished
from false sound, and writes the coefficients fitted on all of them.
"""

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from heterodub.model.features.arrays import Array
from heterodub.schemas.contract import FPS, LANDMARK_POINTS, MEL_BANDS
from heterodub.schemas.policy import load_policy
from heterodub.tasks.quality import av_sync
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_RIDGE: Final = 3000.0
"""Penalty. Tried 30, 300 and 3000 on 121 clips of 31 speakers: the largest classified held-out speakers best."""

_MOST_SECONDS: Final = 12.0
"""A speaker with more footage counts as much as one with this much, or one talker's habits would be the rule."""

_FOLDS: Final = 5
_LATE_FRAMES: Final = 15
_FALSE_PAIRS: Final = 10
"""Other speakers' clips whose sound each mouth is compared with."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One clip: features of its speech (T, 220) and the movement of its mouth (T, 3)."""

    clip_id: str
    speaker: str
    speech: Array
    movement: Array


def load_examples(workspace: Workspace) -> list[Example]:
    """Load the stage-1 clips of a workspace that are long enough to be evaluated."""
    clips = tables.read(workspace, "clips", ["clip_id", "speaker"])
    speakers = dict(zip(clips["clip_id"].to_pylist(), clips["speaker"].to_pylist(), strict=True))
    examples = []
    for batch in tables.batches(workspace, "stage1", columns=["clip_id", "frames", "landmarks", "mel"]):
        for row in range(batch.num_rows):
            clip = batch["clip_id"][row].as_py()
            points = _matrix(batch["landmarks"][row]).reshape(-1, LANDMARK_POINTS, 2)
            if len(points) >= av_sync.LEAST_FRAMES:
                speech = av_sync.speech_features(_matrix(batch["mel"][row]).reshape(-1, MEL_BANDS))
                examples.append(Example(clip, speakers[clip], speech, av_sync.mouth_movement(points)))
    return sorted(examples, key=lambda example: example.clip_id)


def _matrix(value: pa.Scalar) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = value.values.flatten().to_numpy(zero_copy_only=False)
    return flat


def fit(examples: list[Example]) -> Array:
    """Fit a ridge regression from speech to mouth movement, each speaker weighted by at most 12 s; (220, 3)."""
    frames: dict[str, int] = {}
    for example in examples:
        frames[example.speaker] = frames.get(example.speaker, 0) + len(example.movement)
    inner = _RIDGE * np.eye(examples[0].speech.shape[1])
    outer = np.zeros((examples[0].speech.shape[1], examples[0].movement.shape[1]))
    for example in examples:
        weight = min(1.0, _MOST_SECONDS * FPS / frames[example.speaker])
        inner += weight * example.speech.T @ example.speech
        outer += weight * example.speech.T @ example.movement
    return np.asarray(np.linalg.solve(inner, outer))


def held_out(examples: list[Example]) -> dict[str, float]:
    """Evaluate clips of speakers that were not fitted on, with own sound, late sound, and others' sound.

    Shares of clips whose score reaches the default policy's limit with an offset that can be corrected.
    """
    limit = load_policy().stage1.min_av_sync_score or 0.0
    own, late, others = [], [], []
    draw = np.random.default_rng(0)
    for fold in range(_FOLDS):
        inside = [example for example in examples if _fold(example.speaker) == fold]
        outside = [example for example in examples if _fold(example.speaker) != fold]
        if not inside or not outside:
            continue
        weights = fit(outside)
        for example in inside:
            own.append(_passes(example.speech @ weights, example.movement, limit))
            late.append(_passes((example.speech @ weights)[:-_LATE_FRAMES], example.movement[_LATE_FRAMES:], limit))
            for other in draw.choice(len(outside), _FALSE_PAIRS):
                foreign = outside[other].speech @ weights
                frames = min(len(foreign), len(example.movement))
                others.append(_passes(foreign[:frames], example.movement[:frames], limit))
    return {name: float(np.mean(passed)) for name, passed in (("own", own), ("late", late), ("other", others))}


def _fold(speaker: str) -> int:
    return hashlib.sha256(speaker.encode()).digest()[0] % _FOLDS


def _passes(predicted: Array, measured: Array, limit: float) -> bool:
    if len(measured) < av_sync.LEAST_FRAMES:
        return False
    sync = av_sync.evaluate_fits(*av_sync.fit_curve(predicted, measured), None)
    return sync.score >= limit and abs(sync.offset_frames) <= av_sync.CORRECTABLE_FRAMES


def main() -> None:
    """Fit the coefficients, print how well they do, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace")
    parser.add_argument("-o", "--output", type=Path, default=Path(av_sync.__file__).with_name(av_sync.COEFFICIENTS))
    arguments = parser.parse_args()
    examples = load_examples(Workspace.open(arguments.workspace))
    speakers = len({example.speaker for example in examples})
    print(f"{len(examples)} clips of {speakers} speakers; held out, share that passes: {held_out(examples)}")
    np.savez(arguments.output, weights=fit(examples).astype(np.float32))


if __name__ == "__main__":
    main()

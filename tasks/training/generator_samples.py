"""Samples of a generator in training: landmarks over the ground truth, mouth opening over time, a video with sound."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from model.evaluation.generator import GeneratorEvalClip, predict_landmarks, reference_frames
from model.stage1.network import LandmarkGenerator
from schemas.config.limits import LimitSettings
from tasks.releases.releases import Release
from tasks.stores import tables
from tasks.stores.workspace import Workspace
from tasks.visualization.charts import landmarks_over_truth, opening_chart
from tasks.visualization.film import landmark_film
from tasks.visualization.sound import ClipPlace, clip_sound

_CLIPS: Final = 2
"""Number of clips that are drawn, of different speakers where there are two."""


@dataclass(frozen=True, slots=True)
class SampleLogger:
    """Draws a generator's output on the first clips; called at each validation. sample_interval: steps between videos.

    Travels to the process that trains.
    """

    workspace: Workspace
    release: Release
    limits: LimitSettings
    sample_interval: int
    steps: int

    def __call__(
        self, generator: LandmarkGenerator, eval_clips: Sequence[GeneratorEvalClip], step: int
    ) -> dict[str, bytes]:
        """Return files by name: two PNGs a clip, and an MP4 of the first clip at intervals and at the end."""
        drawn: dict[str, bytes] = {}
        for number, eval_clip in enumerate(eval_clips[:_CLIPS]):
            reference = reference_frames(eval_clip.prepared.counts_T, 1)
            predicted, title = (
                predict_landmarks(generator, eval_clip, reference, 1.0),
                f"clip {eval_clip.clip_id[:12]}, step {step}",
            )
            name = f"{step:06d}_{eval_clip.clip_id[:12]}"
            drawn[f"val/landmarks_{name}.png"] = landmarks_over_truth(predicted, eval_clip.landmarks_TPXY, title=title)
            drawn[f"val/opening_{name}.png"] = opening_chart(
                predicted, eval_clip.landmarks_TPXY, eval_clip.prepared.counts_T, title
            )
            if not number and (step % self.sample_interval == 0 or step == self.steps):
                with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
                    path = Path(scratch) / "film.mp4"
                    place = sound_place(self.workspace, self.release, eval_clip.clip_id)
                    sound = clip_sound(place, eval_clip.mel_SM, self.limits)
                    landmark_film(path, predicted, eval_clip.landmarks_TPXY, sound, title)
                    drawn[f"val/film_{name}.mp4"] = path.read_bytes()
        return drawn


def sound_place(workspace: Workspace, release: Release, clip_id: str) -> ClipPlace:
    """Locate the sound of a stage-1 clip of the release.

    Raises: NotFoundError - the release was erased.
    """
    versions, chosen = release.versions, pc.field("clip_id") == clip_id
    columns = ["uri", "media_id", "start_frame", "frames"]
    clip = tables.read(workspace, "clips", columns, versions["clips"], chosen).to_pylist()[0]
    shifts = tables.read(workspace, "stage1", ["sound_shift_frames"], versions["stage1"], chosen).to_pylist()
    named = pc.field("uri") == clip["uri"]
    known = ["offset_s", "picture_stream", "sound_stream"]
    files = tables.read(workspace, "catalog", known, versions["catalog"], named).to_pylist()
    return ClipPlace(**clip, sound_shift_frames=shifts[0]["sound_shift_frames"], **(files[0] if files else {}))

"""What people look at while a generator trains: landmarks over the truth, the mouth over time, a film with sound."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from model.evaluation.generator import GeneratorEvalClip, answer, reference_frames
from model.stage1.network import LandmarkGenerator
from schemas.config.settings import GuardSettings
from tasks.releases.releases import Release
from tasks.stores import tables
from tasks.stores.workspace import Workspace
from tasks.visualization.charts import landmarks_over_truth, opening_chart
from tasks.visualization.film import landmark_film
from tasks.visualization.sound import ClipPlace, clip_sound

_CLIPS: Final = 2
"""Clips that are drawn, of different speakers where there are two: enough to see by, cheap enough to draw often."""


@dataclass(frozen=True, slots=True)
class SampleLogger:
    """Draws a generator on the first exams; called at each validation. sample_interval: steps between films.

    Travels to the process that trains.
    """

    workspace: Workspace
    release: Release
    guards: GuardSettings
    sample_interval: int
    steps: int

    def __call__(self, generator: LandmarkGenerator, exams: Sequence[GeneratorEvalClip], step: int) -> dict[str, bytes]:
        """Files by name: two PNGs a clip, and an MP4 of the first clip now and then and at the end."""
        drawn: dict[str, bytes] = {}
        for number, exam in enumerate(exams[:_CLIPS]):
            told = reference_frames(exam.prepared.counts_T, 1)
            predicted, title = answer(generator, exam, told, 1.0), f"clip {exam.clip_id[:12]}, step {step}"
            name = f"{step:06d}_{exam.clip_id[:12]}"
            drawn[f"val/landmarks_{name}.png"] = landmarks_over_truth(predicted, exam.landmarks_TPXY, title=title)
            drawn[f"val/opening_{name}.png"] = opening_chart(
                predicted, exam.landmarks_TPXY, exam.prepared.counts_T, title
            )
            if not number and (step % self.sample_interval == 0 or step == self.steps):
                with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
                    path = Path(scratch) / "film.mp4"
                    place = sound_place(self.workspace, self.release, exam.clip_id)
                    heard = clip_sound(place, exam.mel_SM, self.guards)
                    landmark_film(path, predicted, exam.landmarks_TPXY, heard, title)
                    drawn[f"val/film_{name}.mp4"] = path.read_bytes()
        return drawn


def sound_place(workspace: Workspace, release: Release, clip_id: str) -> ClipPlace:
    """Where the sound of a stage-1 clip of the release is.

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

"""Samples of a model in training: pictures of evaluation clips at each validation, a short video at intervals."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np
import pyarrow.compute as pc

from heterodub.model.baselines.inference import BaselineInference
from heterodub.model.evaluation.generator import GeneratorEvalClip, predict_landmarks, reference_frames
from heterodub.model.evaluation.translator import EvalWindow, system_crops
from heterodub.model.features.arrays import Floats, Pictures, evenly_spaced
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.stage2.inference import TranslatorInference
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.training import ScheduleSettings
from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.visualization.charts import landmarks_over_truth, opening_chart
from heterodub.tasks.visualization.film import landmark_film
from heterodub.tasks.visualization.sheets import Columns, as_bytes, contact_sheet, crop_film, seen
from heterodub.tasks.visualization.sound import ClipPlace, clip_sound

if TYPE_CHECKING:
    from heterodub.tasks.training.baselines import BaselineEvalClip  # with Lightning, which a promotion does without

_ROWS: Final = 2
"""Frames of each clip on a contact sheet."""


@dataclass(frozen=True, slots=True)
class SampleLogger(ABC):
    """Draws a model's output on the first evaluation clips; called at each validation. Travels between processes."""

    schedule: ScheduleSettings
    clips: ClassVar[int]
    """Number of clips that are drawn, of different speakers where there are as many."""

    def __call__(self, model: Any, eval_clips: Sequence[Any], step: int) -> dict[str, bytes]:
        """Return files by name: PNGs, and an MP4 of the first clip at intervals and at the end."""
        outputs = [self.output(model, eval_clip) for eval_clip in eval_clips[: self.clips]]
        files = self.images(outputs, step)
        if step % self.schedule.sample_interval == 0 or step == self.schedule.max_steps:
            with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
                path = Path(scratch) / "film.mp4"
                name = self.film(path, outputs[0], step)
                files[name] = path.read_bytes()
        return files

    @abstractmethod
    def output(self, model: Any, eval_clip: Any) -> Any:
        """Return the model's output on a clip."""

    @abstractmethod
    def images(self, outputs: Sequence[Any], step: int) -> dict[str, bytes]:
        """Return PNGs of outputs, by name."""

    @abstractmethod
    def film(self, path: Path, output: Any, step: int) -> str:
        """Write an MP4 of an output, and return the name to keep it under."""


class _Predicted(NamedTuple):
    """A clip and its predicted landmarks (T, 216, 2)."""

    clip: GeneratorEvalClip
    landmarks: Floats

    def name(self, step: int) -> str:
        """Return the part of file names that tells step and clip."""
        return f"{step:06d}_{self.clip.clip_id[:12]}"

    def title(self, step: int) -> str:
        """Return the title of pictures and films."""
        return f"clip {self.clip.clip_id[:12]}, step {step}"


@dataclass(frozen=True, slots=True)
class GeneratorSamples(SampleLogger):
    """Landmarks over the ground truth, mouth opening over time, a video with sound."""

    workspace: Workspace
    release: Release
    limits: LimitSettings
    clips: ClassVar[int] = 2

    def output(self, model: LandmarkGenerator, eval_clip: GeneratorEvalClip) -> _Predicted:
        """Return the predicted landmarks."""
        reference = reference_frames(eval_clip.prepared.counts_T, 1)
        return _Predicted(eval_clip, predict_landmarks(model, eval_clip, reference, 1.0))

    def images(self, outputs: Sequence[_Predicted], step: int) -> dict[str, bytes]:
        """Return two PNGs a clip."""
        images = {}
        for output in outputs:
            title, true = output.title(step), output.clip.landmarks_TPXY
            images[f"val/landmarks_{output.name(step)}.png"] = landmarks_over_truth(output.landmarks, true, title=title)
            images[f"val/opening_{output.name(step)}.png"] = opening_chart(
                output.landmarks, true, output.clip.prepared.counts_T, title
            )
        return images

    def film(self, path: Path, output: _Predicted, step: int) -> str:
        """Write the landmarks beside the ground truth, with the clip's sound."""
        place = sound_place(self.workspace, self.release, output.clip.clip_id)
        with closing(Decoder(self.limits)) as decoder:
            sound = clip_sound(place, output.clip.mel_SM, self.limits, decoder)
        landmark_film(path, output.landmarks, output.clip.landmarks_TPXY, sound, output.title(step))
        return f"val/film_{output.name(step)}.mp4"


@dataclass(frozen=True, slots=True)
class TranslatorSamples(SampleLogger):
    """A contact sheet of crops, and a video of the first clip's."""

    clips: ClassVar[int] = 3

    def output(self, model: TranslatorInference, eval_clip: EvalWindow) -> Columns:
        """Return crops by kind."""
        return columns(eval_clip, model)

    def images(self, outputs: Sequence[Columns], step: int) -> dict[str, bytes]:
        """Return a contact sheet of all clips."""
        together = {name: np.concatenate([_spread(output[name]) for output in outputs]) for name in outputs[0]}
        return {f"val/faces_{step:06d}.png": contact_sheet(together, _ROWS * len(outputs))}

    def film(self, path: Path, output: Columns, step: int) -> str:
        """Write the columns side by side."""
        crop_film(path, output)
        return f"val/faces_{step:06d}.mp4"


@dataclass(frozen=True, slots=True)
class BaselineSamples(TranslatorSamples):
    """The same of a baseline: reference, generated from speech, true."""

    def output(self, model: BaselineInference, eval_clip: "BaselineEvalClip") -> Columns:  # type: ignore[override]
        """Return crops of the clip's span by kind."""
        eval_window = eval_clip.eval_window
        middle = eval_window.clip.face_clip.pictures_TSS3[eval_window.references[len(eval_window.references) // 2]]
        return {
            "reference": np.repeat(middle[None], len(eval_window.crops), axis=0),
            "generated": eval_clip.generate(model),
            "true": eval_window.crops,
        }


def columns(eval_window: EvalWindow, translator: TranslatorInference) -> Columns:
    """Return crops of an evaluation window's span by kind: input with drawn landmarks, untrained warp, generated,
    true.
    """
    crops = {system: as_bytes(system_crops(eval_window, system, translator)) for system in ("warp", "generated")}
    return {
        "input, landmarks": seen(eval_window.crops, eval_window.landmarks),
        "warped reference": crops["warp"],
        "generated": crops["generated"],
        "true": eval_window.crops,
    }


def _spread(pictures: Pictures) -> Pictures:
    return np.asarray(pictures[evenly_spaced(len(pictures), _ROWS)])


def sound_place(workspace: Workspace, release: Release, clip_id: str) -> ClipPlace:
    """Locate the sound of a clip of the release.

    Raises: NotFoundError - the release was erased, or the clip taken down.
    """
    of_clip = pc.field("clip_id") == clip_id
    columns = ["uri", "media_id", "start_frame", "frames"]
    clips = releases.read_table(workspace, release, "clips", columns, of_clip).to_pylist()
    if not clips:
        raise NotFoundError(f"clip {clip_id} is not in release {release.release_id} any more: it was taken down")
    shifts = releases.read_table(workspace, release, "stage1", ["sound_shift_frames"], of_clip).to_pylist()
    of_file = pc.field("uri") == clips[0]["uri"]
    file_columns = ["offset_s", "picture_stream", "sound_stream"]
    files = releases.read_table(workspace, release, "catalog", file_columns, of_file).to_pylist()
    shift = shifts[0]["sound_shift_frames"] if shifts else 0  # of a silent clip, which is no clip of stage 1
    return ClipPlace(**clips[0], sound_shift_frames=shift, **(files[0] if files else {}))

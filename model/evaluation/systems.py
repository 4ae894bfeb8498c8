"""Compared systems, and their scores on evaluation clips.

A system generates the crops of a clip so that its face speaks a given sound: the clip's own (paired), or another
speaker's (unpaired).

Shape suffix legend: T = frames of a clip, F = frames of the evaluation window's span, S = side of a crop in pixels (of
mel_SM: mel columns, 4 a frame), M = 80 mel bands, K = 20 mel columns, P = 216 points, XY = 2 coordinates, D = values of
a feature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heterodub.model.baselines.batches import mel_windows
from heterodub.model.baselines.inference import BaselineInference
from heterodub.model.evaluation.clip_scores import SpeakerScores, by_speaker, mean_over_speakers
from heterodub.model.evaluation.frechet import FRECHET, frechet_over_speakers
from heterodub.model.evaluation.generator import other_speaker
from heterodub.model.evaluation.image_scores import TRANSLATOR_REPORT, clip_scores, heldout_features
from heterodub.model.evaluation.translator import EvalWindow, Finder, system_crops, translate_span
from heterodub.model.evaluation.translator import System as Row
from heterodub.model.features.arrays import Floats, Pictures
from heterodub.model.features.timing import mel_columns
from heterodub.model.perceptual import Lite0
from heterodub.model.stage1.inference import predict_clip
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.stage2.translator import Translator
from heterodub.schemas.contract import MEL_BANDS


def generate_span(translator: BaselineInference, eval_window: EvalWindow, mel_FMK: Floats) -> Pictures:
    """Generate the crops of the evaluation window's span for each frame's mel window, (F, S, S, 3) uint8.

    Only the reference frames are used as references, none of which is scored.
    """
    face_clip, references = eval_window.clip.face_clip, eval_window.references
    return translator.generate(
        eval_window.crops, mel_FMK, face_clip.pictures_TSS3[references], face_clip.landmarks_TPXY[references]
    )


Mel = NDArray[np.float32]
Crops = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class EvalClip:
    """A clip with its evaluation window (crops, landmarks, reference and scored frames) and its log-mel (4T, 80), with
    senone scores behind it, (4T, 206), where they are stored. A system takes the first columns, as many as it reads.

    Raises: ValueError - the sound is not as long as the picture.
    """

    eval_window: EvalWindow
    mel_SM: Mel

    def __post_init__(self) -> None:
        frames = len(self.eval_window.clip.face_clip.tracked_T)
        if len(self.mel_SM) != mel_columns(frames) or self.mel_SM.shape[1] < MEL_BANDS:
            raise ValueError(f"{frames} frames need a mel {(mel_columns(frames), MEL_BANDS)}, got {self.mel_SM.shape}")


def other_sound(scenes: Sequence[EvalClip], number: int) -> Mel:
    """Return the sound of another speaker for scene `number`, repeated or cut to its length: the unpaired setting."""
    other = other_speaker([scene.eval_window.clip.speaker for scene in scenes], number)
    theirs, own = scenes[other].mel_SM, scenes[number].mel_SM
    width = min(theirs.shape[1], own.shape[1])
    return np.resize(theirs[:, :width], (len(own), width))


class System(Protocol):
    """Generates crops. Only reference frames (`scene.eval_window.references`) and sound may inform it of the mouth."""

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """Generate crops of the evaluation window's span that speak the log-mel (4T, 80), as long as the clip: (F, S,
        S, 3), RGB in 0..1, at the clip's side.
        """


@dataclass(frozen=True, slots=True)
class TwoStage:
    """Our system: a landmark generator and a translator. gain: see inference.amplified.

    Scored frames contribute nothing to the mouth; dubbing, which may use them, takes the position of the mouth's
    corners from them (tasks/dubbing/segments.py).
    """

    generator: LandmarkGenerator
    gain: float
    translator: Translator

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        face_clip, references = scene.eval_window.clip.face_clip, scene.eval_window.references
        landmarks = face_clip.landmarks_TPXY
        speech = mel_SM[:, : self.generator.architecture.speech_width]
        predicted = predict_clip(
            self.generator, speech, landmarks, landmarks[references], face_clip.tracked_T, self.gain
        )
        return translate_span(scene.eval_window, self.translator, predicted)


@dataclass(frozen=True, slots=True)
class BaselineSystem:
    """A baseline of the paper. It generates whole crops, also what ours takes over from the source."""

    translator: BaselineInference

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        eval_window = scene.eval_window
        windows = mel_windows(mel_SM[:, :MEL_BANDS], len(eval_window.clip.face_clip.tracked_T))
        return np.asarray(
            generate_span(self.translator, eval_window, windows[eval_window.span]) / np.float32(255), np.float32
        )


@dataclass(frozen=True, slots=True)
class WithoutAudio:
    """A row of a translator's evaluation (translator.SYSTEMS), which ignores the sound: a translator with the clip's
    own landmarks, the upper bound of stage 1, or one of its controls.
    """

    row: Row
    translator: Translator

    def generate(self, scene: EvalClip, mel_SM: Mel) -> Crops:
        """See System."""
        return system_crops(scene.eval_window, self.row, self.translator)


_Features = dict[str, list[NDArray[np.float32]]]


class Evaluator:
    """Scores systems on evaluation clips; keeps the features of the clips' true crops.

    finder: detects faces in generated crops; without one, the scores that need it are missing.
    """

    def __init__(self, scenes: Sequence[EvalClip], lite0: Lite0, finder: Finder | None) -> None:
        self.scenes, self._lite0, self._finder = scenes, lite0, finder
        self._true: _Features = {}
        for scene in scenes:
            true = np.asarray(scene.eval_window.crops / np.float32(255), np.float32)
            self._note(self._true, scene, true)

    def paired(self, name: str, system: System) -> Mapping[str, SpeakerScores]:
        """Score a system with each clip's own sound: by name (model/evaluation/image_scores.py, and FRECHET)."""
        rows, features = [], _Features()
        for scene in self.scenes:
            crops = system.generate(scene, scene.mel_SM)
            rows.append(clip_scores(scene.eval_window, name, crops, self._lite0, self._finder))
            self._note(features, scene, crops)
        scores = {
            key: mean_over_speakers(parts) for key in TRANSLATOR_REPORT.scores if (parts := by_speaker(rows, key))
        }
        return scores | {FRECHET: frechet_over_speakers(features, self._true)}

    def unpaired(self, system: System) -> SpeakerScores:
        """Return a system's Frechet distance with another speaker's sound, for which there is no ground truth."""
        features = _Features()
        for number, scene in enumerate(self.scenes):
            self._note(features, scene, system.generate(scene, other_sound(self.scenes, number)))
        return frechet_over_speakers(features, self._true)

    def _note(self, features: _Features, scene: EvalClip, crops: Crops) -> None:
        features.setdefault(scene.eval_window.clip.speaker, []).append(
            heldout_features(self._lite0, scene.eval_window, crops)["frames"]
        )

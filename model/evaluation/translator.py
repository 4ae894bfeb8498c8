"""Evaluation of a translator on held-out clips, beside trivial controls.

Paired setting: the clip's own landmarks should give the clip's own pictures. Some frames of the clip are references;
those are not scored (t' != t).

Shape suffix legend: T = frames of a clip, F = frames of the span, R = reference frames, S = side of a crop, W = side of
its window in pixels, P = 216 points, XY = 2 coordinates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from heterodub.model.evaluation.generator import reference_frames
from heterodub.model.features.arrays import Pictures
from heterodub.model.stage2 import mask
from heterodub.model.stage2.batches import FaceClip
from heterodub.model.stage2.translator import Translator
from heterodub.model.stage2.warp import WarpTranslator, blended, nearest

System = Literal["generated", "copy", "warp", "nearest frame oracle", "ground truth"]

SYSTEMS: Final[tuple[System, ...]] = get_args(System)

Finder = Callable[[Pictures], tuple[NDArray[np.float32], NDArray[np.bool_]]]
"""Detects faces in consecutive crops (F, S, S, 3): landmarks (F, 216, 2) in crop pixels, and flags of detections."""


@dataclass(frozen=True, slots=True)
class TranslatorEvalClip:
    """An evaluation clip: id, speaker and face crops."""

    clip_id: str
    speaker: str
    face_clip: FaceClip


@dataclass(frozen=True, slots=True, eq=False)
class EvalWindow:
    """Reference frames of a clip (R,), and the span whose tracked frames, references excepted, are scored."""

    clip: TranslatorEvalClip
    references: NDArray[np.intp]
    span: slice

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Flags of the span's frames that are scored, (F,)."""
        counts = self.clip.face_clip.tracked_T.copy()
        counts[self.references] = False
        return counts[self.span]

    @property
    def crops(self) -> Pictures:
        """True crops of the span, (F, S, S, 3)."""
        return self.clip.face_clip.pictures_TSS3[self.span]

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """True landmarks of the span, (F, 216, 2)."""
        return self.clip.face_clip.landmarks_TPXY[self.span]


def make_eval_window(eval_clip: TranslatorEvalClip, references: int, most_frames: int) -> EvalWindow:
    """Make the evaluation window of a clip: `references` frames spread evenly over it, at most `most_frames` scored in
    its middle.

    Raises: ValueError - no frame is tracked, or all of the middle are references.
    """
    frames = len(eval_clip.face_clip.tracked_T)
    start = max(0, (frames - most_frames) // 2)
    eval_window = EvalWindow(
        eval_clip,
        reference_frames(eval_clip.face_clip.tracked_T, references),
        slice(start, min(frames, start + most_frames)),
    )
    if not eval_window.scored.any():
        raise ValueError(
            f"clip {eval_clip.clip_id} is too short: no frame is left to score beside {references} references"
        )
    return eval_window


def system_crops(eval_window: EvalWindow, system: System, translator: Translator) -> NDArray[np.float32]:
    """Return a system's crops for the span, (F, S, S, 3) in 0..1.

    "copy": the lower half of the middle reference frame, at the same place of the crop. "nearest frame oracle": that of
    the clip's frame with the nearest landmarks, the frame itself excepted; it may use scored frames. "ground truth":
    the true crops.
    """
    match system:
        case "generated":
            return translate_span(eval_window, translator)
        case "warp":
            return translate_span(eval_window, WarpTranslator(translator.side_px))
        case "copy":
            middle = eval_window.references[len(eval_window.references) // 2]
            return _pasted(eval_window, np.full(len(eval_window.scored), middle))
        case "nearest frame oracle":
            return _pasted(eval_window, _oracle(eval_window))
        case "ground truth":
            return np.asarray(eval_window.crops / np.float32(255), np.float32)


def translate_span(
    eval_window: EvalWindow, translator: Translator, wanted_TPXY: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Generate the span's crops with lower halves from landmarks, (F, S, S, 3) in 0..1.

    wanted_TPXY: of all frames of the clip, in crop pixels; the true ones if left out.
    """
    face_clip, reach = eval_window.clip.face_clip, translator.context
    low, high = max(0, eval_window.span.start - reach), min(len(face_clip.tracked_T), eval_window.span.stop + reach)
    appearance = translator.appearance(
        face_clip.pictures_TSS3[eval_window.references], face_clip.landmarks_TPXY[eval_window.references]
    )
    landmarks = face_clip.landmarks_TPXY[low:high]
    target = landmarks if wanted_TPXY is None else wanted_TPXY[low:high]
    generated = translator.translate(appearance, face_clip.pictures_TSS3[low:high], landmarks, target)
    return generated[eval_window.span.start - low : eval_window.span.stop - low]


def _pasted(eval_window: EvalWindow, chosen_F: NDArray[np.intp]) -> NDArray[np.float32]:
    rows, columns = mask.window(eval_window.crops.shape[1])
    pasted = eval_window.clip.face_clip.pictures_TSS3[chosen_F][:, rows, columns] / np.float32(255)
    return blended(eval_window.crops, np.asarray(pasted, np.float32), eval_window.landmarks)


def _oracle(eval_window: EvalWindow) -> NDArray[np.intp]:
    """Select the tracked frame nearest in landmarks to each frame of the span, that frame excepted."""
    good = np.flatnonzero(eval_window.clip.face_clip.tracked_T)
    order = good[nearest(eval_window.clip.face_clip.landmarks_TPXY[good], eval_window.landmarks, 2)]
    frames = np.arange(eval_window.span.start, eval_window.span.stop)
    return np.where(order[:, 0] == frames, order[:, 1], order[:, 0])

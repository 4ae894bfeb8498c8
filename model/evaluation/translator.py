"""How a translator is judged on clips it has not seen, beside baselines that keep the scores honest.

Paired setting: the clip's own landmarks should give the clip's own pictures. The translator is told some frames of the
clip; those are not scored (t' != t).

Shape suffix legend: T = frames of a clip, F = frames that are judged, R = frames that are told, S = side of a crop, W =
side of its window in pixels, P = 216 points, XY = 2 coordinates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from model.evaluation.generator import reference_frames
from model.stage2 import mask
from model.stage2.batches import FaceClip
from model.stage2.translator import Pictures, Translator
from model.stage2.warp import WarpTranslator, blended, nearest

System = Literal["painted", "copy", "warp", "nearest frame", "source"]

SYSTEMS: Final[tuple[System, ...]] = ("painted", "copy", "warp", "nearest frame", "source")

Finder = Callable[[Pictures], tuple[NDArray[np.float32], NDArray[np.bool_]]]
"""Finds faces again in crops in a row (F, S, S, 3): landmarks (F, 216, 2) in crop pixels, and where there was one."""


@dataclass(frozen=True, slots=True)
class TranslatorEvalClip:
    """A clip to judge on."""

    clip_id: str
    speaker: str
    portrait: FaceClip


@dataclass(frozen=True, slots=True, eq=False)
class EvalWindow:
    """Which frames of a clip are told (R,), and which are judged: those of `span` that are tracked and not told."""

    exam: TranslatorEvalClip
    told: NDArray[np.intp]
    span: slice

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Of the span's frames those that are scored, (F,)."""
        counts = self.exam.portrait.tracked_T.copy()
        counts[self.told] = False
        return counts[self.span]

    @property
    def crops(self) -> Pictures:
        """True crops of the span, (F, S, S, 3)."""
        return self.exam.portrait.pictures_TSS3[self.span]

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """True landmarks of the span, (F, 216, 2)."""
        return self.exam.portrait.landmarks_TPXY[self.span]


def sit(exam: TranslatorEvalClip, references: int, most_frames: int) -> EvalWindow:
    """Tell a clip's `references` frames, spread evenly over all of it; judge at most so many in its middle.

    Raises: ValueError - no frame is tracked, or all of the middle is told.
    """
    frames = len(exam.portrait.tracked_T)
    start = max(0, (frames - most_frames) // 2)
    eval_window = EvalWindow(
        exam, reference_frames(exam.portrait.tracked_T, references), slice(start, min(frames, start + most_frames))
    )
    if not eval_window.judged.any():
        raise ValueError(f"clip {exam.clip_id} is too short: nothing is left to judge once {references} are told")
    return eval_window


def answer(eval_window: EvalWindow, system: System, translator: Translator) -> NDArray[np.float32]:
    """A system's crops for the span, (F, S, S, 3) in 0..1.

    "copy": the lower half of the middle told frame, at the same place of the crop. "nearest frame": that of the clip's
    frame whose landmarks are nearest, any but the frame itself: an oracle, it chooses among pictures of the answer.
    "source": the true crops.
    """
    match system:
        case "painted":
            return translated(eval_window, translator)
        case "warp":
            return translated(eval_window, WarpTranslator(translator.side_px))
        case "copy":
            middle = eval_window.told[len(eval_window.told) // 2]
            return _pasted(eval_window, np.full(len(eval_window.judged), middle))
        case "nearest frame":
            return _pasted(eval_window, _oracle(eval_window))
        case "source":
            return np.asarray(eval_window.crops / np.float32(255), np.float32)


def translated(
    eval_window: EvalWindow, translator: Translator, wanted_TPXY: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The span's crops with their lower halves as landmarks want them, (F, S, S, 3) in 0..1.

    wanted_TPXY: of all frames of the clip, in crop pixels; the true ones if left out.
    """
    portrait, reach = eval_window.exam.portrait, translator.context
    low, high = max(0, eval_window.span.start - reach), min(len(portrait.tracked_T), eval_window.span.stop + reach)
    known = translator.appearance(portrait.pictures_TSS3[eval_window.told], portrait.landmarks_TPXY[eval_window.told])
    landmarks = portrait.landmarks_TPXY[low:high]
    wanted = landmarks if wanted_TPXY is None else wanted_TPXY[low:high]
    made = translator.translate(known, portrait.pictures_TSS3[low:high], landmarks, wanted)
    return made[eval_window.span.start - low : eval_window.span.stop - low]


def _pasted(eval_window: EvalWindow, chosen_F: NDArray[np.intp]) -> NDArray[np.float32]:
    rows, columns = mask.window(eval_window.crops.shape[1])
    pasted = eval_window.exam.portrait.pictures_TSS3[chosen_F][:, rows, columns] / np.float32(255)
    return blended(eval_window.crops, np.asarray(pasted, np.float32), eval_window.landmarks)


def _oracle(eval_window: EvalWindow) -> NDArray[np.intp]:
    """The tracked frame nearest in landmarks to each frame of the span, that frame excepted."""
    good = np.flatnonzero(eval_window.exam.portrait.tracked_T)
    order = good[nearest(eval_window.exam.portrait.landmarks_TPXY[good], eval_window.landmarks, 2)]
    own = np.arange(eval_window.span.start, eval_window.span.stop)
    return np.where(order[:, 0] == own, order[:, 1], order[:, 0])

"""Output of a baseline for a clip that it is evaluated on.

Shape suffix legend: F = frames of the evaluation window's span, S = side of a crop in pixels, M = 80 mel bands, K =
20 mel columns.
"""

from heterodub.model.baselines.inference import BaselineInference
from heterodub.model.evaluation.translator import EvalWindow
from heterodub.model.features.arrays import Floats, Pictures


def generate_span(translator: BaselineInference, eval_window: EvalWindow, mel_FMK: Floats) -> Pictures:
    """Generate the crops of the evaluation window's span for each frame's mel window, (F, S, S, 3) uint8.

    Only the reference frames are used as references, none of which is scored.
    """
    face_clip, references = eval_window.clip.face_clip, eval_window.references
    return translator.generate(
        eval_window.crops, mel_FMK, face_clip.pictures_TSS3[references], face_clip.landmarks_TPXY[references]
    )

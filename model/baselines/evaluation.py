"""What a baseline makes of a clip that it is judged on.

Shape suffix legend: F = frames of the evaluation window's span, S = side of a crop in pixels, M = 80 mel bands, K =
20 mel columns.
"""

from model.baselines.inference import BaselineInference
from model.evaluation.translator import EvalWindow
from model.stage2.translator import Floats, Pictures


def painted(translator: BaselineInference, eval_window: EvalWindow, mel_FMK: Floats) -> Pictures:
    """Crops of the evaluation window's span that say what is heard in each frame's mel window, (F, S, S, 3) uint8.

    The references are the told frames, so none that is scored.
    """
    portrait, told = eval_window.exam.portrait, eval_window.told
    return translator.paint(eval_window.crops, mel_FMK, portrait.pictures_TSS3[told], portrait.landmarks_TPXY[told])

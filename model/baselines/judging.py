"""What a rival makes of a clip that it is judged on.

Shape suffix legend: F = frames of the sitting's span, S = side of a crop in pixels, M = 80 mel bands, K = 20 mel
columns.
"""

from model.baselines.painting import RivalPainter
from model.stage2.judging import Sitting
from model.stage2.translator import Floats, Pictures


def painted(painter: RivalPainter, sitting: Sitting, mel_FMK: Floats) -> Pictures:
    """Crops of the sitting's span that say what is heard in each frame's mel window, (F, S, S, 3) uint8.

    The references are the told frames, so none that is scored.
    """
    portrait, told = sitting.exam.portrait, sitting.told
    return painter.paint(sitting.crops, mel_FMK, portrait.pictures_TSS3[told], portrait.landmarks_TPXY[told])

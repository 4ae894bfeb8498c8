"""A head that turns and whose mouth rests comes back as it was: no second jaw line beside its own in any frame."""

import cv2
import numpy as np
import pytest

from heterodub.model.dubbing import blending
from heterodub.model.features.landmarks import OUTLINE, SLICES
from heterodub.model.stage2.warp import WarpTranslator
from tests.model.dubbing.test_head_motion import wanted
from tests.model.turning import turning

SIDE = 128
SKIN, NECK, DARK = (200, 150, 130), (120, 84, 70), (60, 40, 36)


def drawn(points: np.ndarray) -> np.ndarray:
    """A face of flat skin over a darker neck, (SIDE, SIDE, 3) uint8: its jaw is an edge."""
    fine = 4
    picture = np.full((SIDE * fine, SIDE * fine, 3), NECK, np.uint8)
    places = np.round(points * fine).astype(np.int32)
    jaw = places[OUTLINE]
    high = int(places[:, 1].min() - 10 * fine)
    whole = np.concatenate([jaw, [[jaw[-1][0], high], [jaw[0][0], high]]])
    cv2.fillPoly(picture, [whole], SKIN)
    for one in ("lid_left", "lid_right"):
        edge = np.concatenate([places[SLICES[f"{one}_upper"]], places[SLICES[f"{one}_lower"]][::-1]])
        cv2.fillPoly(picture, [edge], DARK)
    lips = np.concatenate([places[SLICES["lip_upper_outer"]], places[SLICES["lip_lower_outer"]][::-1]])
    cv2.fillPoly(picture, [lips], (170, 80, 80))
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("speed", [{"yaw_deg": 16}, {"yaw_deg": 26}])
def test_every_frame_has_a_single_jaw_line(speed):
    head = turning(60, **speed)
    middle = (head.seen.max(axis=1) + head.seen.min(axis=1)) / 2

    def placed(points):
        return (points - middle[:, None]) * 0.4 + [SIDE / 2, SIDE * 0.52]

    landmarks = wanted(head)
    source, target = placed(landmarks.source_NPXY), placed(landmarks.wanted_NPXY)
    pictures = np.stack([drawn(points) for points in placed(head.seen)])
    result = slice(None, None, 10)
    translator = WarpTranslator(SIDE)
    known = translator.appearance(pictures[result], placed(head.seen)[result].astype(np.float32))
    frames = slice(20, 40)
    blended = translator.translate(
        known, pictures[frames], source[frames].astype(np.float32), target[frames].astype(np.float32)
    )
    shares, in_blend = blending.shown(source[frames], target[frames], SIDE)
    generated = blending.unblended(blended, pictures[frames], in_blend, shares)
    fine = np.stack([cv2.resize(share, (SIDE, SIDE)) for share in shares])[..., None]
    before = pictures[frames] / 255
    after = before + (generated - before) * fine
    seams = [_seam(*one) for one in zip(before, after, source[frames], strict=True)]
    assert max(seams) < 0.012


def _seam(before, after, points) -> float:
    """Mean difference in a band along the jaw, as a share of the step between skin and neck."""
    band = np.zeros((SIDE, SIDE), np.uint8)
    jaw = np.round(points[OUTLINE][6:-6] * 16).astype(np.int32)
    cv2.polylines(band, [jaw], False, 1, thickness=9, shift=4)
    step = (np.array(SKIN) - NECK).mean() / 255
    return float(np.abs(after - before).mean(axis=2)[band > 0].mean() / step)

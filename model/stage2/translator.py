"""What turns wanted landmarks into pictures: the contract that networks and baselines share.

Shape suffix legend: T = frames, R = reference frames, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.features.numbers import require_numbers
from schemas.contract import LANDMARK_POINTS

Floats = NDArray[np.floating[Any]]
Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """What a translator knows of a face: its reference frames, and what it made of them.

    pictures_RSS3: RGB. landmarks_RPXY: pixels of the pictures. vector: what an embedder read from them, (D,); empty for
    translators without one.
    """

    pictures_RSS3: Pictures
    landmarks_RPXY: NDArray[np.float32]
    vector: NDArray[np.float32]


class Translator(Protocol):
    """Paints the lower half of a face as landmarks want it, in square crops of the geometry of the stage-2 store.

    A crop is the box (left, top, side) of the source frame, resized to side_px. All landmarks are in pixels of the
    crop: crop = (source - (left, top)) * side_px / side.
    """

    @property
    def side_px(self) -> int:
        """S: width and height of every picture that is taken and given."""

    @property
    def context(self) -> int:
        """p: an output frame is painted from the inputs of the p frames before and behind it, and from nothing else
        along time.
        """

    def appearance(self, pictures_RSS3: Pictures, landmarks_RPXY: Floats) -> Appearance:
        """What is to be known of a face from any number of its frames, at least one. Of the person in the video, or of
        another, whose lower face is then transferred.

        Raises: ValueError - no frame, shapes that do not fit together, or landmarks that are not finite.
        """

    def translate(
        self, appearance: Appearance, pictures_TSS3: Pictures, source_TPXY: Floats, wanted_TPXY: Floats
    ) -> NDArray[np.float32]:
        """The crops with their lower halves as `wanted_TPXY` has them: (T, S, S, 3), RGB in 0..1.

        pictures_TSS3: crops of the source. What is painted follows from what mask.hidden leaves visible of them, so
        nothing of the old mouth passes; where mask.soft lies between 0 and 1, source and painted picture mix, and where
        it is 0, the result is the source. source_TPXY: landmarks as found in these crops; only their pose points are
        looked at, to lay the mask. wanted_TPXY: landmarks as they shall be; pose points like the source's.

        Edges: T frames in, T frames out. Before the first and behind the last frame given, that frame is repeated. So
        who translates a long video in pieces gives, on each side where the video goes on, `context` further frames and
        throws away what comes back for them; then the pieces equal one pass over the whole within 1/255.

        Raises: ValueError - shapes that do not fit together, or landmarks that are not finite.
        """


def require(side_px: int, pictures: Pictures, *landmarks: Floats) -> None:
    """Hold pictures (n, S, S, 3) uint8 and landmarks (n, 216, 2) against each other.

    Raises: ValueError - there is no frame, a shape is another, or a value is not finite.
    """
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[1:] != (side_px, side_px, 3):
        raise ValueError(
            f"pictures are uint8 (n, {side_px}, {side_px}, 3), got {pictures.dtype} of shape {pictures.shape}"
        )
    if not len(pictures):
        raise ValueError("at least one picture is needed")
    for points in landmarks:
        require_numbers(f"landmarks of {len(pictures)} pictures", points, len(pictures), LANDMARK_POINTS, 2)

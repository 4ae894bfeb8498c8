"""Interface of translators, which turn wanted landmarks into pictures: trained networks and the plain warp alike.

Shape suffix legend: T = frames, R = reference frames, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats, Pictures, require_numbers
from heterodub.schemas.contract import LANDMARK_POINTS


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """Appearance of a face: its reference frames and their embedding.

    pictures_RSS3: RGB. landmarks_RPXY: pixels of the pictures. vector: the embedding, (D,); empty for translators
    without an embedder.
    """

    pictures_RSS3: Pictures
    landmarks_RPXY: NDArray[np.float32]
    vector: NDArray[np.float32]


class Translator(Protocol):
    """Generates the lower half of a face from landmarks, in square crops of the stage-2 store's geometry.

    A crop is the box (left, top, side) of the source frame, resized to side_px. All landmarks are in pixels of the
    crop: crop = (source - (left, top)) * side_px / side.
    """

    @property
    def side_px(self) -> int:
        """S: width and height of every input and output picture."""

    @property
    def context(self) -> int:
        """p: number of frames before and behind an output frame whose inputs it depends on; no others matter."""

    def appearance(self, pictures_RSS3: Pictures, landmarks_RPXY: Floats) -> Appearance:
        """Return the appearance of a face from any number of its frames, at least one: of the person in the video, or
        of another, whose lower face is then transferred.

        Raises: ValueError - no frame, shapes that do not fit together, or landmarks that are not finite.
        """

    def translate(
        self,
        appearance: Appearance,
        pictures_TSS3: Pictures,
        source_TPXY: Floats,
        wanted_TPXY: Floats,
        path_T: NDArray[np.intp] | None = None,
    ) -> NDArray[np.float32]:
        """Return the crops with lower halves generated from `wanted_TPXY`: (T, S, S, 3), RGB in 0..1.

        pictures_TSS3: crops of the source. The output depends only on what mask.hidden leaves visible of them, so
        nothing of the old mouth passes; where mask.soft lies between 0 and 1, source and output are blended, and where
        it is 0, the result is the source. source_TPXY: landmarks found in these crops; only their pose points are
        used, for the mask. wanted_TPXY: target landmarks, with pose points like the source's.

        Edges: T frames in, T frames out. Before the first and behind the last frame, that frame is repeated. To
        translate a long video in pieces, pass `context` further frames on each side where the video goes on and drop
        their outputs, and pass the pieces' parts of one path; then the pieces equal one pass over the whole within
        1/255.

        path_T: numbers of the reference frames that are shown (warp.steady_path), (T,); by default, the path through
        these frames alone.

        Raises: ValueError - shapes that do not fit together, or landmarks that are not finite.
        """


def require(side_px: int, pictures: Pictures, *landmarks: Floats) -> None:
    """Check that pictures (n, S, S, 3) uint8 and landmarks (n, 216, 2) fit together.

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

"""Data that containers and codecs put beside a frame's samples: display matrix, light of the mastering screen."""

from typing import Any, Final

import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

_Container: Final[Any] = SideDataContainer
"""PyAV's own types do not say how it is made, nor by which key it is read."""


def side_data_of(frame: VideoFrame, kind: Type) -> NDArray[np.int32] | None:
    """One kind of a frame's side data, (n,) int32; None where it has none.

    Not by `frame.side_data`: frame and container then hold each other, and as Python does not see how large a frame
    is, hundreds of megabytes wait for the garbage collector.
    """
    entry = _Container(frame).get(kind)
    return None if entry is None else np.frombuffer(bytes(entry), np.int32)

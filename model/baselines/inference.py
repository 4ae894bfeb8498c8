"""A trained baseline in use: speech, crops and a reference picture to painted crops.

Shape suffix legend: T = frames, R = reference frames, S = side of a crop in pixels, C = 3 colours, M = 80 mel bands,
K = 20 mel columns, P = 216 points, XY = 2 coordinates.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.features.numbers import require_numbers
from model.stage1.features import scale_mel
from model.stage2.translator import Floats, Pictures, require
from schemas.config.baselines import BaselineArchitecture
from schemas.contract import MEL_BANDS, MEL_CONTEXT_COLUMNS

_PIECE_FRAMES: Final = 16
"""Frames painted at once; bounds memory, changes nothing else."""


@dataclass(frozen=True, slots=True, eq=False)
class BaselineInput:
    """What a baseline is shown: crops (T, 3, S, S) in 0..1, scaled mel windows (T, 80, 20), and a reference picture
    (3, S, S) in 0..1 with its landmarks (216, 2) in crop pixels.
    """

    crops_TCSS: Tensor
    mel_TMK: Tensor
    known_CSS: Tensor
    known_PXY: NDArray[np.float64]


class BaselineNetwork(nn.Module, ABC):
    """What a baseline consists of once it is trained. `forward` is what training calls; each baseline has its own."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__()
        self.architecture = architecture

    @abstractmethod
    def paint(self, shown: BaselineInput) -> Tensor:
        """Painted crops (T, 3, S, S) in 0..1."""


class BaselineInference:
    """A baseline in use. It is put into evaluation mode and stays there."""

    def __init__(self, network: BaselineNetwork) -> None:
        self.network = network.eval()

    @property
    def side_px(self) -> int:
        """S: width and height of every picture that is taken and given."""
        return self.network.architecture.side_px

    @torch.inference_mode()
    def paint(
        self, crops_TSS3: Pictures, mel_TMK: Floats, references_RSS3: Pictures, references_RPXY: Floats
    ) -> Pictures:
        """The crops with faces that say what is heard, (T, S, S, 3) uint8, RGB: whole crops, as the baseline paints
        them.

        crops_TSS3: uint8, the source. mel_TMK: log-mel window of each frame (batches.mel_windows). references: frames
        of the face, at least one, with landmarks in crop pixels; the middle one is used, as by the baseline "copy".
        LipGAN and Wav2Lip see the crops' upper halves alone; of the one-picture animators ATVGnet and MakeItTalk, the
        crops only tell how many frames there are.

        Raises: ValueError - no frame, shapes that do not fit together, or values that are not finite.
        """
        require(self.side_px, crops_TSS3)
        require(self.side_px, references_RSS3, references_RPXY)
        require_numbers("mel windows", mel_TMK, len(crops_TSS3), MEL_BANDS, MEL_CONTEXT_COLUMNS)
        middle = len(references_RSS3) // 2
        shown = BaselineInput(
            self._tensor(_channels_first(crops_TSS3)),
            self._tensor(scale_mel(mel_TMK)),
            self._tensor(_channels_first(references_RSS3[[middle]]))[0],
            np.asarray(references_RPXY[middle], np.float64),
        )
        made = self.network.paint(shown).float().clamp(0, 1).mul(255).round().byte()
        return np.ascontiguousarray(made.permute(0, 2, 3, 1).cpu().numpy())

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.as_tensor(values, device=next(self.network.parameters()).device)


def in_pieces(paint: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """What `paint` makes of tensors (T, ...), a few frames at a time: for what looks at no other frame."""
    pieces = zip(*(torch.split(one, _PIECE_FRAMES) for one in given), strict=True)
    return torch.cat([paint(*piece) for piece in pieces])


def _channels_first(pictures: Pictures) -> NDArray[np.float32]:
    return np.asarray(pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255)

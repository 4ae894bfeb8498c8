"""Inference of a trained baseline: speech, crops and a reference picture to generated crops.

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

from heterodub.model.features.arrays import Floats, Pictures, require_numbers
from heterodub.model.stage1.features import scale_mel
from heterodub.model.stage2.translator import require
from heterodub.schemas.config.baselines import BaselineArchitecture
from heterodub.schemas.contract import MEL_BANDS, MEL_CONTEXT_COLUMNS

_PIECE_FRAMES: Final = 16
"""Frames generated at once; bounds memory, changes nothing else."""


@dataclass(frozen=True, slots=True, eq=False)
class BaselineInput:
    """Inputs of a baseline: crops (T, 3, S, S) in 0..1, scaled mel windows (T, 80, 20), and a reference picture
    (3, S, S) in 0..1 with its landmarks (216, 2) in crop pixels.
    """

    crops_TCSS: Tensor
    mel_TMK: Tensor
    known_CSS: Tensor
    known_PXY: NDArray[np.float64]


class BaselineNetwork(nn.Module, ABC):
    """Networks of a trained baseline. Training calls `forward`, whose signature differs between baselines."""

    def __init__(self, architecture: BaselineArchitecture) -> None:
        super().__init__()
        self.architecture = architecture

    @abstractmethod
    def generate(self, inputs: BaselineInput) -> Tensor:
        """Generate crops (T, 3, S, S) in 0..1."""


class BaselineInference:
    """A baseline for inference. Puts the network into evaluation mode."""

    def __init__(self, network: BaselineNetwork) -> None:
        self.network = network.eval()

    @property
    def side_px(self) -> int:
        """S: width and height of every input and output picture."""
        return self.network.architecture.side_px

    @torch.inference_mode()
    def generate(
        self, crops_TSS3: Pictures, mel_TMK: Floats, references_RSS3: Pictures, references_RPXY: Floats
    ) -> Pictures:
        """Generate crops whose faces speak the given sound, (T, S, S, 3) uint8, RGB: whole crops.

        crops_TSS3: uint8, the source. mel_TMK: log-mel window of each frame (batches.mel_windows). references: frames
        of the face, at least one, with landmarks in crop pixels; the middle one is used, as by the control "copy".
        LipGAN and Wav2Lip use the crops' upper halves alone; the one-picture animators ATVGnet and MakeItTalk use only
        the number of crops.

        Raises: ValueError - no frame, shapes that do not fit together, or values that are not finite.
        """
        require(self.side_px, crops_TSS3)
        require(self.side_px, references_RSS3, references_RPXY)
        require_numbers("mel windows", mel_TMK, len(crops_TSS3), MEL_BANDS, MEL_CONTEXT_COLUMNS)
        middle = len(references_RSS3) // 2
        inputs = BaselineInput(
            self._tensor(_channels_first(crops_TSS3)),
            self._tensor(scale_mel(mel_TMK)),
            self._tensor(_channels_first(references_RSS3[[middle]]))[0],
            np.asarray(references_RPXY[middle], np.float64),
        )
        generated = self.network.generate(inputs).float().clamp(0, 1).mul(255).round().byte()
        return np.ascontiguousarray(generated.permute(0, 2, 3, 1).cpu().numpy())

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.as_tensor(values, device=next(self.network.parameters()).device)


def in_pieces(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Call `function` on tensors (T, ...), a few frames at a time; for networks that treat frames independently."""
    pieces = zip(*(torch.split(tensor, _PIECE_FRAMES) for tensor in inputs), strict=True)
    return torch.cat([function(*piece) for piece in pieces])


def _channels_first(pictures: Pictures) -> NDArray[np.float32]:
    return np.asarray(pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255)

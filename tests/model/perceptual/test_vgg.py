"""Weight slots of VGG: read a file with torchvision's names, and say what is missing otherwise."""

import hashlib

import pytest
import torch
from torch import nn

from heterodub.model.perceptual import Lite0, open_perception, open_vgg
from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.config.translation import PictureLosses
from heterodub.schemas.errors import WeightsMissingError


def weights(blocks) -> dict[str, torch.Tensor]:
    """Weights under torchvision's names, with numbers of their own; the first kernels see light, and some colour."""
    torch.manual_seed(0)
    made, given, place = {}, 3, 0
    for count, width in zip(blocks, (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            layer = nn.Conv2d(given, width, 3)
            if place == 0:
                layer.weight.data = layer.weight.data[:, :1] + 0.3 * layer.weight.data
            made |= {f"features.{place}.weight": layer.weight.data, f"features.{place}.bias": layer.bias.data}
            given, place = width, place + 2
        place += 1
    return made | {"classifier.0.weight": torch.zeros(1)}


_PUBLISHED = [f"{block}_{number}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for number in range(1, count + 1)]


def faces(prefix: str = "conv", classes: int = 2622) -> dict[str, torch.Tensor]:
    """Weights of VGG-16 under the names that VGGFace is published with; the last layer without its numbers."""
    own = list(weights((2, 2, 3, 3, 3)).values())[:-1]
    named = zip(_PUBLISHED, own[::2], own[1::2], strict=True)
    made = {f"{prefix}{name}.{part}": value for name, *pair in named
            for part, value in zip(("weight", "bias"), pair, strict=True)}  # fmt: skip
    return made | {"fc8.weight": torch.zeros(1).expand(classes, 4096)}


def opened(weights, path):
    torch.save(weights, path)
    return open_vgg("VGG-16", "weights.vgg_face", path)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save(weights((2, 2, 4, 4, 4)), path)
    return path


@pytest.fixture(scope="module")
def face_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg_face_dag.pth"
    torch.save(faces(), path)
    return path


def digest_of(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_weights_file_makes_the_network(file):
    network = open_vgg("VGG-19", "weights.vgg19", file, {"VGG-19": digest_of(file)[:8]})
    stages = network(torch.rand(1, 3, 32, 32))
    assert [stage.shape[1] for stage in stages] == [64, 128, 256, 512, 512]
    assert [stage.shape[-1] for stage in stages] == [32, 16, 8, 4, 2]
    assert "vgg19.pth, sha256" in network.name


def test_empty_weight_slot_names_the_remedy():
    with pytest.raises(WeightsMissingError, match=r"weights\.vgg19 is not set.*perception = 'lite0'"):
        open_perception(PictureLosses(perception="vgg19"), WeightSettings())
    with pytest.raises(WeightsMissingError, match=r"weights\.vgg_face is not set"):
        open_perception(PictureLosses(face_recognition=True), WeightSettings())


def test_missing_or_foreign_weights_file_is_refused(tmp_path, file):
    with pytest.raises(WeightsMissingError, match="there is no file"):
        open_vgg("VGG-19", "weights.vgg19", tmp_path / "none.pth")
    with pytest.raises(WeightsMissingError, match="does not hold the weights of VGG-16"):
        open_vgg("VGG-16", "weights.vgg_face", file)


def test_perceptual_network_is_named(face_file):
    names = [one.name for one in open_perception(PictureLosses(), WeightSettings())]
    assert len(names) == 1
    assert names[0].startswith("EfficientNet-Lite0")
    chosen = open_perception(PictureLosses(face_recognition=True), WeightSettings(vgg_face=face_file))
    assert chosen[1].name.startswith("VGG-16 (vgg_face_dag.pth, sha256 ")


def test_vgg19_that_is_not_torchvisions_is_refused(file):
    """Such as one that was trained for something else: names and shapes are the same."""
    with pytest.raises(WeightsMissingError, match=f"its sha256 begins with {digest_of(file)[:8]}.*dcbb9e9d"):
        open_perception(PictureLosses(perception="vgg19"), WeightSettings(vgg19=file))


def test_network_that_never_learned_from_pictures_is_refused(tmp_path):
    torch.manual_seed(2)
    untrained = {name: torch.randn_like(value) if "1_1.w" in name else value for name, value in faces().items()}
    with pytest.raises(WeightsMissingError, match=r"alike between colours by 0\.[23]\d, .* by 0\.4 "):
        opened(untrained, tmp_path / "w.pth")
    stem = Lite0(stages=1).stem[0].weight  # a network that has
    made = faces() | {"conv1_1.weight": torch.cat([stem, stem])}
    assert opened(made, tmp_path / "w.pth").name.startswith("VGG-16")


def by_hand(weights: dict[str, torch.Tensor], colours_3HW: torch.Tensor) -> torch.Tensor:
    """First layer on colours of 0 to 255 less VGGFace's means, as its authors' demonstrations do it."""
    first = [value for name, value in weights.items() if "1_1." in name]
    return torch.relu(nn.functional.conv2d(colours_3HW[None], first[0], first[1], padding=1))


def test_vggface_is_read_as_it_is_published(tmp_path):
    """vgg_face_dag.pth takes red first, what comes from VGG_FACE.t7 blue first; each colour has its own mean."""
    torch.manual_seed(1)
    picture = torch.rand(3, 16, 16)
    less = picture * 255 - torch.tensor([129.1863, 104.7624, 93.5940])[:, None, None]
    for prefix, given in (("conv", less), ("conv_", less.flip(0))):
        made = faces(prefix)
        network = opened(made, tmp_path / f"{prefix}.pth")
        stages = network(picture[None])
        assert [stage.shape[1] for stage in stages] == [64, 128, 256, 512, 512]
        assert torch.allclose(stages[0], by_hand(made, given), rtol=1e-3, atol=1e-2)
        assert network.name.startswith(f"VGG-16 ({prefix}.pth, sha256 ")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: weights((2, 2, 3, 3, 3)), "features.0.weight.*ImageNet.*conv1_1.weight"),
        (lambda: faces(classes=1000), r"fc8.weight has 1000 classes.*VGGFace's 2622"),
        (lambda: {name: value for name, value in faces().items() if name != "fc8.weight"}, "no fc8.weight"),
        (lambda: {"layer1.weight": torch.zeros(1)}, "layer1.weight.*conv1_1.weight"),
        (lambda: faces() | {"conv3_2.weight": torch.zeros(256, 128, 3, 3)}, "size mismatch"),
        (lambda: [torch.zeros(1)], "no names"),
    ],
)
def test_other_weights_than_vggface_are_refused(tmp_path, wrong, says):
    with pytest.raises(WeightsMissingError, match=r"weights\.vgg_face: .*does not hold the weights of VGG-16"):
        opened(wrong(), tmp_path / "w.pth")
    with pytest.raises(WeightsMissingError, match=f"(?s){says}"):
        opened(wrong(), tmp_path / "w.pth")


def test_vggface_is_not_imagenets_vgg19(tmp_path):
    torch.save(faces(), tmp_path / "w.pth")
    with pytest.raises(WeightsMissingError, match=r"conv1_1\.weight.*features\.0\.weight"):
        open_vgg("VGG-19", "weights.vgg19", tmp_path / "w.pth")

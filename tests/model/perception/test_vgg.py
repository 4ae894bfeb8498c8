"""Weight slots of VGG: read a file with torchvision's names, and say what is missing otherwise."""

import pytest
import torch
from torch import nn

from model.perception.opening import open_perception
from model.perception.vgg import open_vgg
from schemas.errors import WeightsMissingError
from schemas.settings import WeightSettings
from schemas.translation import PictureLosses


def weights(blocks) -> dict[str, torch.Tensor]:
    """Weights under torchvision's names, with numbers of their own."""
    torch.manual_seed(0)
    made, given, place = {}, 3, 0
    for count, width in zip(blocks, (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            layer = nn.Conv2d(given, width, 3)
            made |= {f"features.{place}.weight": layer.weight.data, f"features.{place}.bias": layer.bias.data}
            given, place = width, place + 2
        place += 1
    return made | {"classifier.0.weight": torch.zeros(1)}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save(weights((2, 2, 4, 4, 4)), path)
    return path


def test_a_file_of_weights_makes_the_network(file):
    network = open_vgg("VGG-19", "weights.vgg19", file)
    stages = network(torch.rand(1, 3, 32, 32))
    assert [stage.shape[1] for stage in stages] == [64, 128, 256, 512, 512]
    assert [stage.shape[-1] for stage in stages] == [32, 16, 8, 4, 2]
    assert "vgg19.pth, sha256" in network.name


def test_an_empty_slot_says_what_to_do():
    with pytest.raises(WeightsMissingError, match=r"weights\.vgg19 is not set.*perception = 'lite0'"):
        open_perception(PictureLosses(perception="vgg19"), WeightSettings())
    with pytest.raises(WeightsMissingError, match=r"weights\.vgg_face is not set"):
        open_perception(PictureLosses(face_recognition=True), WeightSettings())


def test_a_file_that_is_not_there_or_something_else(tmp_path, file):
    with pytest.raises(WeightsMissingError, match="there is no file"):
        open_vgg("VGG-19", "weights.vgg19", tmp_path / "none.pth")
    with pytest.raises(WeightsMissingError, match="does not hold the weights of VGG-16"):
        open_vgg("VGG-16", "weights.vgg_face", file)


def test_what_is_used_is_named(file):
    names = [one.name for one in open_perception(PictureLosses(), WeightSettings())]
    assert len(names) == 1
    assert names[0].startswith("EfficientNet-Lite0")
    chosen = open_perception(PictureLosses(perception="vgg19"), WeightSettings(vgg19=file))
    assert chosen[0].name.startswith("VGG-19")

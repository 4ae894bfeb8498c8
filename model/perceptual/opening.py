"""Feature networks of the perceptual losses, as the settings name them; there is no silent fallback."""

from heterodub.model.perceptual.features import Features
from heterodub.model.perceptual.lite0 import HELD_OUT, Lite0
from heterodub.model.perceptual.vgg import open_vgg
from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.config.translation import PictureLosses


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

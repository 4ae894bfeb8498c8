"""The rivals by name: how each is built, and how it is taught. A new rival adds an entry here and in
schemas/rivals.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lightning_fabric import Fabric

from model.baselines.atvgnet import AtvgNet, AtvgNetLesson
from model.baselines.lesson import RivalLesson, Surroundings
from model.baselines.lipgan import FaceDubber, LipGanLesson
from model.baselines.makeittalk import MakeItTalk, MakeItTalkLesson
from model.baselines.painting import RivalNetwork
from model.baselines.wav2lip import Wav2Lip, Wav2LipLesson
from schemas.rivals import RivalName, RivalSettings, RivalShape


@dataclass(frozen=True, slots=True)
class Rival:
    """One rival. feature_networks: whether its losses want any (MakeItTalk's perceptual loss)."""

    build: Callable[[RivalShape], RivalNetwork]
    teach: Callable[[Fabric, RivalSettings, Surroundings], RivalLesson]
    feature_networks: bool = False


RIVALS: Final[Mapping[RivalName, Rival]] = {
    "lipgan": Rival(FaceDubber, LipGanLesson),
    "wav2lip": Rival(Wav2Lip, Wav2LipLesson),
    "atvgnet": Rival(AtvgNet, AtvgNetLesson),
    "makeittalk": Rival(MakeItTalk, MakeItTalkLesson, feature_networks=True),
}

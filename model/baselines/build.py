"""Registry of baselines: network and training module by name. A new baseline adds an entry here and in
schemas/config/baselines.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lightning_fabric import Fabric

from heterodub.model.baselines.atvgnet import AtvgNet, AtvgNetTrainingModule
from heterodub.model.baselines.inference import BaselineNetwork
from heterodub.model.baselines.lipgan import LipGanGenerator, LipGanTrainingModule
from heterodub.model.baselines.makeittalk import MakeItTalk, MakeItTalkTrainingModule
from heterodub.model.baselines.training_module import BaselineTrainingModule, TrainingContext
from heterodub.model.baselines.wav2lip import Wav2Lip, Wav2LipTrainingModule
from heterodub.schemas.config.baselines import BaselineArchitecture, BaselineName, BaselineSettings


@dataclass(frozen=True, slots=True)
class Baseline:
    """Network and training module of a baseline. feature_networks: True if its losses use any (MakeItTalk's does)."""

    build: Callable[[BaselineArchitecture], BaselineNetwork]
    training_module: Callable[[Fabric, BaselineSettings, TrainingContext], BaselineTrainingModule]
    feature_networks: bool = False


BASELINES: Final[Mapping[BaselineName, Baseline]] = {
    "lipgan": Baseline(LipGanGenerator, LipGanTrainingModule),
    "wav2lip": Baseline(Wav2Lip, Wav2LipTrainingModule),
    "atvgnet": Baseline(AtvgNet, AtvgNetTrainingModule),
    "makeittalk": Baseline(MakeItTalk, MakeItTalkTrainingModule, feature_networks=True),
}

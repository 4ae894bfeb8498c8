"""Settings of the baselines, the systems that the paper compares with, and their presets."""

from typing import Any, Final

from pydantic import Field

from .choices import BASELINES as BASELINES
from .choices import BaselineName as BaselineName
from .sections import Section
from .training import TrainingSettings
from .translation import DiscriminatorArchitecture, Perception, PictureAugmentation


class BaselineArchitecture(Section):
    """Sizes of a baseline's networks; all four are built of the same parts."""

    side_px: int = Field(128, ge=64, le=1024, multiple_of=32, description="side of the face crops it works on, pixels")
    width: int = Field(16, ge=4, multiple_of=2, description="channels at half size; doubled at each further halving")
    embedding_dim: int = Field(128, ge=8, multiple_of=8, description="values of each embedding of speech and landmarks")
    components: int = Field(20, ge=1, description="principal components of a face's landmarks (ATVGnet)")


_PRESETS: Final[dict[str, dict[str, Any]]] = {
    "cpu": {
        "optimiser": {"learning_rate": 1e-3, "warmup_steps": 50, "ema_decay": 0.99, "weight_decay": 0.0},
        "data": {"window_frames": 24, "batch_size": 4, "references": 1, "buffer_frames": 4_000},
        "schedule": {
            "max_steps": 2_400,
            "eval_interval": 300,
            "save_interval": 150,
            "sample_interval": 1_200,
            "patience": 0,
        },
    },
    "tiny": {
        "architecture": {"side_px": 64, "width": 4, "embedding_dim": 16, "components": 6},
        "discriminators": {"width": 4, "layers": 2, "scales": 1},
        "optimiser": {"warmup_steps": 2, "ema_decay": 0.5},
        "data": {"window_frames": 8, "batch_size": 2, "buffer_frames": 400},
        "schedule": {"max_steps": 12, "eval_interval": 6, "save_interval": 6, "sample_interval": 12},
        "syncnet_steps": 4,
        "looked_at": 4,
        "disc_start_step": 2,
    },
    "paper": {
        "architecture": {"side_px": 256, "width": 64, "embedding_dim": 512},
        "discriminators": {"width": 64, "layers": 4, "scales": 1},
        "optimiser": {"learning_rate": 1e-4, "warmup_steps": 1_000, "ema_decay": 0.999},
        "disc_learning_rate": 1e-4,
        "data": {"window_frames": 64, "batch_size": 64, "buffer_frames": 20_000, "num_workers": 8},
        "schedule": {"max_steps": 200_000, "eval_interval": 2_000, "save_interval": 1_000, "sample_interval": 10_000},
        "syncnet_steps": 50_000,
        "disc_start_step": 0,
        "perception": "vgg19",
        "precision": "bf16-mixed",
    },
}


class BaselineSettings(TrainingSettings):
    """Training of the baselines, the same for all four."""

    presets = _PRESETS
    architecture: BaselineArchitecture = BaselineArchitecture()
    discriminators: DiscriminatorArchitecture = DiscriminatorArchitecture()
    augmentation: PictureAugmentation = PictureAugmentation()
    disc_learning_rate: float = Field(4e-4, gt=0, description="highest learning rate of the discriminators")
    syncnet_steps: int = Field(
        800, ge=1, description="of the steps, those in which Wav2Lip's lip-sync expert is trained, before it is frozen"
    )
    disc_start_step: int = Field(400, ge=0, description="step of generator training from which discriminators count")
    looked_at: int = Field(64, ge=1, description="windows of the val split that training modules evaluate themselves")
    perception: Perception = Field("lite0", description="features of MakeItTalk's perceptual loss, as in stage2.losses")

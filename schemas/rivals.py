"""Settings of the rivals, the systems that the paper compares with, and their profiles."""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from pydantic import Field, model_validator

from .sections import Section, merged
from .training import FeedSettings, OptimiserSettings, PaceSettings, Precision, Profile
from .translation import CriticShape, Perception, PictureAugmentation

RivalName = Literal["lipgan", "wav2lip", "atvgnet", "makeittalk"]

RIVALS: Final[tuple[RivalName, ...]] = get_args(RivalName)
"""Names of the rivals, and of their registered models."""


class RivalShape(Section):
    """Sizes of a rival's networks; all four are built of the same parts."""

    side_px: int = Field(128, ge=64, le=1024, multiple_of=32, description="side of the face crops it works on, pixels")
    width: int = Field(16, ge=4, multiple_of=2, description="channels at half size; doubled at each further halving")
    vector: int = Field(128, ge=8, multiple_of=8, description="values of each embedding of speech and landmarks")
    components: int = Field(20, ge=1, description="principal components of a face's landmarks (ATVGnet)")


class RivalPace(PaceSettings):
    """How long a rival is trained: steps, minutes, or whichever ends first."""

    minutes: float | None = Field(
        None, gt=0, description="time at most, validation included; else all steps are taken however long they take"
    )


class RivalSettings(Section):
    """Training of the rivals, the same for all four. A profile fills in whatever is not set here."""

    profile: Profile = Field("cpu", description="tiny: seconds, for tests; cpu: minutes on two cores; paper: a GPU")
    seed: int = Field(0, ge=0, description="the same seed on the same release takes the same steps")
    shape: RivalShape = RivalShape()
    critics: CriticShape = CriticShape()
    augmentation: PictureAugmentation = PictureAugmentation()
    optimiser: OptimiserSettings = OptimiserSettings()
    critic_rate: float = Field(4e-4, gt=0, description="highest learning rate of the discriminators")
    feed: FeedSettings = FeedSettings()
    pace: RivalPace = RivalPace()
    expert_steps: int = Field(
        800, ge=1, description="of the steps, those in which Wav2Lip's lip-sync expert is trained, before it is frozen"
    )
    critics_from: int = Field(400, ge=0, description="step of painting from which discriminators are listened to")
    looked_at: int = Field(64, ge=1, description="windows of the val split that lessons look at themselves")
    perception: Perception = Field("lite0", description="features of MakeItTalk's perceptual loss, as in stage2.losses")
    precision: Precision = Field("32-true", description="Fabric's name of the number format")

    @model_validator(mode="before")
    @classmethod
    def _from_profile(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return merged(merged(_CPU, _PROFILES.get(given.get("profile", "cpu"), {})), given)


_CPU: Final[dict[str, Any]] = {
    "optimiser": {"learning_rate": 1e-3, "warmup_steps": 50, "average_decay": 0.99, "weight_decay": 0.0},
    "feed": {"window_frames": 24, "batch": 4, "references": 1, "buffer_frames": 4_000},
    "pace": {"steps": 2_400, "validate_every": 300, "save_every": 150, "film_every": 1_200, "patience": 0},
}
"""What all profiles start from; `cpu` is this."""

_PROFILES: Final[dict[str, dict[str, Any]]] = {
    "tiny": {
        "shape": {"side_px": 64, "width": 4, "vector": 16, "components": 6},
        "critics": {"width": 4, "layers": 2, "scales": 1},
        "optimiser": {"warmup_steps": 2, "average_decay": 0.5},
        "feed": {"window_frames": 8, "batch": 2, "buffer_frames": 400},
        "pace": {"steps": 12, "validate_every": 6, "save_every": 6, "film_every": 12},
        "expert_steps": 4,
        "looked_at": 4,
        "critics_from": 2,
    },
    "paper": {
        "shape": {"side_px": 256, "width": 64, "vector": 512},
        "critics": {"width": 64, "layers": 4, "scales": 1},
        "optimiser": {"learning_rate": 1e-4, "warmup_steps": 1_000, "average_decay": 0.999},
        "critic_rate": 1e-4,
        "feed": {"window_frames": 64, "batch": 64, "buffer_frames": 20_000, "readers": 8},
        "pace": {"steps": 200_000, "validate_every": 2_000, "save_every": 1_000, "film_every": 10_000},
        "expert_steps": 50_000,
        "critics_from": 0,
        "perception": "vgg19",
        "precision": "bf16-mixed",
    },
}

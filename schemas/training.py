"""Settings of training, by stage, and the profiles that name a set of them."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Profile = Literal["tiny", "cpu", "paper"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GeneratorShape(_Section):
    """Widths of the landmark generator."""

    width: int = Field(96, ge=8, multiple_of=4, description="values of each embedding")
    mel_channels: int = Field(24, ge=8, multiple_of=8, description="channels of the mel encoder")
    point_channels: int = Field(24, ge=4, description="channels of the pose and the reference encoder")
    decoder_channels: int = Field(24, ge=4, description="channels of the two decoder heads")
    time_blocks: int = Field(2, ge=0, description="residual blocks along time after fusion")
    time_kernel: int = Field(5, ge=1, description="frames each convolution along time sees; odd")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of values dropped in the blocks along time")
    output_scale: float = Field(0.1, gt=0, description="unit of the predicted change, in units of the face frame")
    pose_sigma_frames: float = Field(
        4.0, ge=0, description="low-pass of the pose input: it must not carry the mouth's own movement"
    )


PROFILES: Final[dict[Profile, GeneratorShape]] = {
    "tiny": GeneratorShape(width=16, mel_channels=8, point_channels=8, decoder_channels=8, time_blocks=1),
    "cpu": GeneratorShape(),
    "paper": GeneratorShape(width=512, mel_channels=256, point_channels=128, decoder_channels=128, time_blocks=4),
}

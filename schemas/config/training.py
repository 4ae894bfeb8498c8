"""Settings that trainings share, those of stage 1, and the presets that name a set of them."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, field_validator, model_validator

from heterodub.schemas.contract import MEL_BANDS, SENONES

from .sections import Section, merged

Preset = Literal["tiny", "cpu", "paper"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Device = Literal["auto", "cpu", "cuda", "mps"]
"""Kind of device that networks run on; auto: an accelerator if one is there, else the CPU."""


class GeneratorArchitecture(Section):
    """Widths of the landmark generator."""

    width: int = Field(96, ge=8, multiple_of=4, description="values of each embedding")
    speech_features: Literal["mel", "mel+senones"] = Field(
        "mel", description="what is read of the speech; senones: of clips ingested with the setting `senones`"
    )
    mel_encoder: Literal["1d", "2d"] = Field(
        "1d", description="1d: convolutions along time, bands as channels; 2d: over bands and time, as in the paper"
    )
    mel_channels: int = Field(12, ge=4, description="channels of the first layers of the 2d mel encoder")
    linear_skip: bool = Field(
        False, description="predict on top of a linear map from the sound to the lips, fitted to the train split"
    )
    point_channels: int = Field(24, ge=4, description="channels of the pose and the reference encoder")
    decoder_channels: int = Field(24, ge=4, description="channels of the two decoder heads")
    time_blocks: int = Field(2, ge=0, le=64, description="residual blocks along time after fusion")
    time_kernel: int = Field(5, ge=1, description="frames each convolution along time sees; odd")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of values dropped in the blocks along time")
    output_scale: float = Field(0.1, gt=0, description="unit of the predicted change, in units of the face frame")
    pose_sigma_frames: float = Field(
        4.0, ge=0, description="low-pass of the pose input, against the mouth's own movement in it"
    )
    pose_components: int = Field(
        10, ge=0, description="principal components of the pose that are used, less those of the mouth; 0: all"
    )

    @property
    def speech_width(self) -> int:
        """Number of speech features of each 10 ms."""
        return MEL_BANDS + (SENONES if self.speech_features == "mel+senones" else 0)

    @field_validator("time_kernel")
    @classmethod
    def _has_a_middle(cls, frames: int) -> int:
        if frames % 2 == 0:
            raise ValueError(f"must be odd, so that a frame has as much before it as behind it, such as {frames + 1}")
        return frames


class Augmentation(Section):
    """Augmentation of training windows, so that few speakers stand for many."""

    hflip_prob: float = Field(0.5, ge=0, le=1, description="share of windows that are mirrored")
    gain_db: float = Field(4.0, ge=0, description="spread of loudness, dB")
    tilt_db: float = Field(3.0, ge=0, description="spread of the tilt from the lowest to the highest band, dB")
    noise: float = Field(0.03, ge=0, description="spread of noise on the scaled mel")
    vtlp_std: float = Field(0.0, ge=0, le=0.3, description="spread of the frequency axis' stretch: other vocal tracts")
    speed_perturb: float = Field(0.0, ge=0, le=0.3, description="spread of the speed at which speech and face go by")
    drop_sound: float = Field(0.0, ge=0, le=1, description="share of windows without any sound")


class OptimiserSettings(Section):
    """AdamW with a warm-up, half a cosine, and a moving average of the weights."""

    learning_rate: float = Field(3e-3, gt=0, description="highest learning rate")
    beta1: float = Field(0.9, ge=0, lt=1, description="share of the old mean gradient kept at each step; GANs take 0.5")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay")
    warmup_steps: int = Field(50, ge=1, description="steps until the learning rate is reached")
    max_norm: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(0.98, ge=0, lt=1, description="share of the old average kept at each step")


class DataSettings(Section):
    """Supply of footage to the network."""

    window_frames: int = Field(32, ge=2, le=250, description="frames of a training window, at most")
    batch_size: int = Field(16, ge=1, description="windows per step, over all devices")
    references: int = Field(8, ge=1, description="reference frames of a window, at most")
    buffer_frames: int = Field(50_000, ge=1, description="footage that is mixed at once, frames (4 kB each)")
    windows_per_clip: float = Field(
        0.0,
        ge=0,
        description="most windows an epoch takes of a clip, in the mean; others take what one leaves; 0: all",
    )
    balance: float = Field(0.7, ge=0, le=1, description="0 draws by footage, 1 as often from each speaker")
    num_workers: int = Field(0, ge=0, description="processes that read ahead; 0 reads between steps")


class ScheduleSettings(Section):
    """Length of a training, and its intervals of validation and saving."""

    max_steps: int = Field(1200, ge=1, description="steps at most")
    eval_interval: int = Field(150, ge=1, description="steps between two validations")
    save_interval: int = Field(100, ge=1, description="steps between two checkpoints")
    sample_interval: int = Field(600, ge=1, description="steps between two films; made with the nearest validation")
    patience: int = Field(4, ge=0, description="validations without a better loss before it stops; 0: never")
    minutes: float | None = Field(
        None, gt=0, description="time at most, validation included; else all steps are taken however long they take"
    )


class TrainingSettings(Section):
    """Training of a model. A preset fills in whatever is not set here."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Values that differ from the defaults, by preset; `cpu` is the base of all presets."""

    preset: Preset = Field(
        "cpu", description="tiny: seconds, for tests; cpu: minutes on two cores, for tens of speakers; paper: GPUs"
    )
    seed: int = Field(0, ge=0, description="the same seed on the same release takes the same steps")
    optimiser: OptimiserSettings = OptimiserSettings()
    data: DataSettings = DataSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    precision: Precision = Field("32-true", description="Fabric's name of the number format")

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return merged(merged(cls.presets["cpu"], cls.presets.get(values.get("preset", "cpu"), {})), values)


_PRESETS: Final[dict[str, dict[str, Any]]] = {
    "tiny": {
        "architecture": {"width": 16, "point_channels": 8, "decoder_channels": 8, "time_blocks": 1},
        "data": {"window_frames": 16, "batch_size": 4, "num_workers": 0},
        "schedule": {"max_steps": 60, "eval_interval": 20, "save_interval": 20},
        "optimiser": {"warmup_steps": 5, "ema_decay": 0.9},
        "sync_steps": 20,
    },
    "cpu": {},
    "paper": {
        "architecture": {
            "width": 512,
            "mel_encoder": "2d",
            "mel_channels": 64,
            "point_channels": 128,
            "decoder_channels": 128,
            "time_blocks": 4,
        },
        "data": {"window_frames": 64, "batch_size": 128, "references": 32, "buffer_frames": 400_000, "num_workers": 8},
        "schedule": {"max_steps": 200_000, "eval_interval": 2_000, "save_interval": 1_000, "patience": 10},
        "optimiser": {"learning_rate": 3e-4, "warmup_steps": 1_000, "ema_decay": 0.999},
        "velocity": 0.0,
        # the paper's L1 alone lets the head's shape hide the smaller part that only the sound explains
        "motion": 3.0,
        "precision": "bf16-mixed",
    },
}


class Stage1Settings(TrainingSettings):
    """Training of the landmark generator."""

    presets = _PRESETS
    architecture: GeneratorArchitecture = GeneratorArchitecture()
    augmentation: Augmentation = Augmentation()
    velocity: float = Field(0.5, ge=0, description="weight of the loss on frame-to-frame movement; the paper has 0")
    motion: float = Field(3.0, ge=0, description="weight of the loss on the lips' movement alone; the paper has 0")
    sync_steps: int = Field(600, ge=1, description="steps of the sync scorer that evaluations take a score with")
    devices: int = Field(1, ge=1, description="devices, or processes on a CPU")

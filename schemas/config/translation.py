"""Settings of stage 2, the landmark translation, and its presets."""

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from .sections import Section
from .training import TrainingSettings

Perception = Literal["lite0", "vgg19"]


class TranslatorArchitecture(Section):
    """Embedder and generator: sizes, and switches of their parts."""

    side_px: int = Field(128, ge=64, le=1024, multiple_of=32, description="side of the face crops it works on, pixels")
    context: int = Field(1, ge=0, le=5, description="p: it sees the inputs x(t-p) to x(t+p)")
    width: int = Field(24, ge=4, description="channels at half size; doubled at each further halving")
    embedding_dim: int = Field(64, ge=4, description="values of the appearance vector")
    blocks: int = Field(2, ge=1, le=64, description="AdaIN residual blocks at the smallest maps")
    gated: bool = Field(True, description="gated convolutions; else plain ones (the paper's Table 4)")
    candidates: int = Field(
        3, ge=0, le=64, description="warped reference frames it is shown; 0: none, the paper's plain form"
    )


class DiscriminatorArchitecture(Section):
    """The discriminators."""

    width: int = Field(16, ge=4, le=256, description="channels of the first layer")
    layers: int = Field(3, ge=1, le=8, description="halvings before the verdict on each patch")
    scales: int = Field(2, ge=1, le=8, description="sizes at which a picture is looked at, each half the one before")
    temporal: bool = Field(True, description="D_ot, on consecutive frames (the paper's Table 4)")


class PictureLosses(Section):
    """Losses of stage 2. A weight of 0 leaves a term out."""

    perception: Perception = Field(
        "lite0", description="features of the perceptual loss: vgg19 needs weights.vgg19; lite0 comes in a package"
    )
    perceptual: float = Field(1.0, ge=0, description="weight of the perceptual loss")
    face_recognition: bool = Field(False, description="VGGFace features as well (Table 4); needs weights.vgg_face")
    multiscale_l1: float = Field(1.0, ge=0, description="weight of L1 on the picture at four sizes; the paper has 0")
    mouth: float = Field(
        0.5, ge=0, description="weight of the same two on a box around the mouth, brought to 64 pixels; the paper has 0"
    )
    warp_consistency: float = Field(
        1.0, ge=0, description="weight of L1 between the output and the nearest warped frame; the paper has 0"
    )
    spatial: float = Field(0.05, ge=0, description="lambda_s: weight of D_vs' loss")
    temporal: float = Field(0.05, ge=0, description="lambda_t: weight of D_ot's loss")
    matching: float = Field(5.0, ge=0, description="weight of feature matching within both, beside the patch loss")
    disc_start_step: int = Field(100, ge=0, description="step from which the discriminators are trained and count")


class PictureAugmentation(Section):
    """Augmentation of training windows."""

    hflip_prob: float = Field(0.5, ge=0, le=1, description="share of windows that are mirrored")
    color_jitter: float = Field(0.1, ge=0, le=0.5, description="spread of gain, and twice that of each colour's")
    warp_dropout: float = Field(
        0.1, ge=0, le=1, description="share of windows without warped frames, so that the appearance vector is needed"
    )


class LossOverrides(Section):
    """Losses of fine-tuning that differ from the translator's own training, where [stage2.losses] describes them."""

    perception: Perception | None = None
    perceptual: float | None = Field(None, ge=0)
    face_recognition: bool | None = None
    multiscale_l1: float | None = Field(None, ge=0)
    mouth: float | None = Field(None, ge=0)
    warp_consistency: float | None = Field(None, ge=0)
    spatial: float | None = Field(None, ge=0)
    temporal: float | None = Field(None, ge=0)
    matching: float | None = Field(None, ge=0)
    disc_start_step: int | None = Field(None, ge=0)


class FinetuningSettings(Section):
    """Fine-tuning: what differs from the training that the translator came from. All else is as it was there."""

    seconds: float | None = Field(None, ge=0.2, description="of the clip's beginning that are learned from; else all")
    steps: int = Field(200, ge=1, description="steps at most")
    learning_rate: float = Field(3e-4, gt=0, description="highest learning rate")
    ema_decay: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="share of the old average kept at each step; a training's would hardly move in so few",
    )
    disc_learning_rate: float = Field(2e-4, gt=0, description="highest learning rate of the discriminators")
    eval_interval: int = Field(50, ge=1, description="steps between two validations on the clip's last part")
    losses: LossOverrides = LossOverrides()
    color_jitter: float | None = Field(
        None, ge=0, le=0.5, description="in the place of the translator's augmentation.color_jitter"
    )


_PRESETS: Final[dict[str, dict[str, Any]]] = {
    # short, and to its end: on some thirty speakers a learning rate that has come down to 0 by then gave a better
    # translator than a longer training broken off (docs/stage2.md)
    "cpu": {
        "augmentation": {"color_jitter": 0.25},
        "optimiser": {"learning_rate": 3e-4, "warmup_steps": 50, "ema_decay": 0.99, "weight_decay": 0.0},
        "data": {"window_frames": 2, "batch_size": 4, "references": 12, "buffer_frames": 4_000, "windows_per_clip": 12},
        "schedule": {"max_steps": 300, "eval_interval": 50, "save_interval": 50, "sample_interval": 150, "patience": 0},
    },
    "tiny": {
        "architecture": {"side_px": 64, "width": 8, "embedding_dim": 16, "blocks": 1, "candidates": 2},
        "discriminators": {"width": 4, "layers": 2, "scales": 1},
        "losses": {"disc_start_step": 4},
        "optimiser": {"learning_rate": 1e-3, "warmup_steps": 2, "ema_decay": 0.5},
        "data": {"window_frames": 2, "batch_size": 2, "references": 3, "buffer_frames": 400},
        "schedule": {"max_steps": 20, "eval_interval": 10, "save_interval": 10, "sample_interval": 20},
        "finetuning": {"steps": 4, "eval_interval": 2},
    },
    "paper": {
        "augmentation": {"color_jitter": 0.1},
        "architecture": {"side_px": 256, "context": 2, "width": 64, "embedding_dim": 512, "blocks": 6, "candidates": 0},
        "discriminators": {"width": 64, "layers": 4, "scales": 3},
        "losses": {
            "perception": "vgg19",
            "face_recognition": True,
            "multiscale_l1": 0.0,
            "mouth": 0.0,
            "warp_consistency": 0.0,
            # The paper names no weights. IP_LAP (train_video_renderer.py) takes 4 for the perceptual loss, 0.25 for the
            # patch loss and 2.5 for feature matching, and leaves the discriminators out for 25 epochs, some ten
            # thousand steps on LRS2; pix2pixHD's ratios are 10 : 1 : 10. Both are far from as much of each.
            "perceptual": 4.0,
            "spatial": 0.25,
            "temporal": 0.25,
            "matching": 10.0,
            "disc_start_step": 10_000,
        },
        # pix2pixHD: both networks at 2e-4 with a beta of 0.5; IP_LAP has the same beta for its discriminators
        "optimiser": {"learning_rate": 2e-4, "beta1": 0.5, "warmup_steps": 1_000, "ema_decay": 0.999},
        "disc_learning_rate": 2e-4,
        "data": {
            "window_frames": 3,
            "batch_size": 16,
            "references": 1,
            "buffer_frames": 20_000,
            "num_workers": 8,
            "windows_per_clip": 12,
        },
        "schedule": {
            "max_steps": 200_000,
            "eval_interval": 2_000,
            "save_interval": 1_000,
            "sample_interval": 10_000,
            "patience": 0,
        },
        "precision": "bf16-mixed",
    },
}


class Stage2Settings(TrainingSettings):
    """Training of the landmark translation."""

    presets = _PRESETS
    architecture: TranslatorArchitecture = TranslatorArchitecture()
    discriminators: DiscriminatorArchitecture = DiscriminatorArchitecture()
    losses: PictureLosses = PictureLosses()
    augmentation: PictureAugmentation = PictureAugmentation()
    disc_learning_rate: float = Field(4e-4, gt=0, description="highest learning rate of the discriminators")
    finetuning: FinetuningSettings = FinetuningSettings()
    devices: int = Field(1, ge=1, description="devices, or processes on a CPU")

    @model_validator(mode="after")
    def _frames_for_the_discriminator(self) -> Self:
        """Require windows of two frames or more for D_ot, which compares frames with those before them."""
        if self.discriminators.temporal and self.data.window_frames < 2:
            raise ValueError(
                "a temporal discriminator needs data.window_frames of 2 or more, or discriminators.temporal off"
            )
        return self

"""Cards in model files: enough to refuse data that the model was not made for."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from .config.baselines import BaselineArchitecture, BaselineName
from .config.sections import Section
from .config.training import GeneratorArchitecture
from .config.translation import DiscriminatorArchitecture, Stage2Settings, TranslatorArchitecture
from .contract import (
    FEATURES_VERSION,
    FPS,
    LANDMARK_POINTS,
    MEL_BANDS,
    MEL_COLUMNS_PER_FRAME,
    MEL_HOP_SAMPLES,
    MEL_WINDOW_SAMPLES,
    SAMPLE_RATE_HZ,
)
from .reasons import Stage

GENERATOR: Final = "landmark-generator"
"""Name of the registered model of stage 1."""
TRANSLATOR: Final = "landmark-translator"
"""Name of the registered model of stage 2."""
MODEL_OF: Final[Mapping[str, str]] = {Stage.STAGE1: GENERATOR, Stage.STAGE2: TRANSLATOR}
"""Name of the registered model of each stage."""
FINETUNED: Final = "landmark-translator-finetuned"
"""Name of the registered fine-tuned translators. A version fits one speaker, so none may ever be stage 2's newest."""

WEIGHTS: Final = "weights.safetensors"
"""File in a model's folder: the networks that are used."""
DISCRIMINATORS: Final = "discriminators.safetensors"
"""File in a translator's folder: its discriminators, with which fine-tuning continues."""
CARD: Final = "card.json"
"""File in a model's folder: one of the cards below."""


class Contract(Section):
    """Values of schemas/contract.py that a model was trained under; the defaults are today's."""

    fps: int = FPS
    sample_rate_hz: int = SAMPLE_RATE_HZ
    mel_bands: int = MEL_BANDS
    mel_window_samples: int = MEL_WINDOW_SAMPLES
    mel_hop_samples: int = MEL_HOP_SAMPLES
    mel_columns_per_frame: int = MEL_COLUMNS_PER_FRAME
    landmark_points: int = LANDMARK_POINTS
    features_version: str = FEATURES_VERSION

    def differences(self, other: "Contract") -> list[str]:
        """List the fields that differ, in words: one "name: ours, not theirs" a field."""
        mine, theirs = self.model_dump(), other.model_dump()
        return [f"{name}: {mine[name]}, not {theirs[name]}" for name in mine if mine[name] != theirs[name]]


class GeneratorCard(Section):
    """Card beside the weights of a landmark generator: its kind, training data and use."""

    kind: Literal["landmark-generator"] = "landmark-generator"
    architecture: GeneratorArchitecture
    backend: str = Field(description="landmark backend of the release it was trained on, with its version")
    release: str = Field(description="id of that release")
    seed: int
    steps: int = Field(ge=0, description="training steps behind these weights")
    gain: float = Field(1.0, gt=0, description="articulation gain, calibrated on the val split")
    contract: Contract = Contract()


class TranslatorCard(Section):
    """Card beside the weights of a landmark translator: its kind, training data and use."""

    kind: Literal["landmark-translator"] = "landmark-translator"
    architecture: TranslatorArchitecture
    discriminators: DiscriminatorArchitecture
    window_frames: int = Field(ge=1, description="frames in a row that the temporal discriminator sees")
    backend: str = Field(description="landmark backend of the release it was trained on, with its version")
    release: str = Field(description="id of that release")
    seed: int
    steps: int = Field(ge=0, description="training steps behind these weights, those of fine-tuning alone if tuned")
    perception: tuple[str, ...] = Field(description="feature networks of the losses, with the origin of their weights")
    tuned_on: tuple[str, ...] = Field((), description="clips it was fine-tuned on; empty after meta-training")
    tuned_from: str | None = Field(None, description="sha256 of the translator's weights that fine-tuning began with")
    held_frames: int = Field(
        0, ge=0, description="frames that fine-tuning's best step was chosen by; 0: too few, all steps were taken"
    )
    trained_by: Stage2Settings | None = Field(
        None, description="settings of its training, not those of fine-tuning; None: nobody kept them"
    )
    contract: Contract = Contract()


class BaselineCard(Section):
    """Card beside the weights of a baseline: its kind, training data and use."""

    kind: BaselineName
    architecture: BaselineArchitecture
    backend: str = Field(description="landmark backend of the release it was trained on, with its version")
    release: str = Field(description="id of that release")
    seed: int
    steps: int = Field(ge=0, description="training steps behind these weights, those of an expert among them")
    perception: tuple[str, ...] = Field((), description="feature networks of its losses, with the origin of weights")
    contract: Contract = Contract()

"""Registered models: their names, files, signatures, readers and input examples.

Queries of the registry must be cheap, so networks and MLflow's own model classes load only where a model is logged.
The examples show a synthetic face, since a real one would be personal data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.landmarks import BOUNDARIES
from heterodub.model.features.timing import mel_columns
from heterodub.schemas.cards import (
    CARD,
    DISCRIMINATORS,
    FINETUNED,
    GENERATOR,
    TRANSLATOR,
    WEIGHTS,
    BaselineCard,
    GeneratorCard,
    TranslatorCard,
)
from heterodub.schemas.config.baselines import BASELINES, BaselineName
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_CONTEXT_COLUMNS
from heterodub.schemas.errors import ModelFileError
from heterodub.schemas.reasons import Stage

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

_WHO_LEADS: Final = (
    "\n\nThe workspace's ledger leads: `promote` and `rollback` of heterodub move the alias `champion`, and an "
    "alias that is moved here by hand is set back by the next of them. `heterodub history` lists the moves."
)

Card = GeneratorCard | TranslatorCard | BaselineCard
Example = dict[str, NDArray[Any]]

Tensor = tuple[str, Any, tuple[int, ...]]
"""Name, dtype and shape of a model's input or output; -1 for any length."""

_FLOATS, _BYTES = np.dtype(np.float32), np.dtype(np.uint8)
_FACES: Final = (-1, LANDMARK_POINTS, 2)
_CROPS: Final = (-1, -1, -1, 3)


@dataclass(frozen=True, slots=True)
class ModelKind:
    """One kind of model. files: those of its folder that are logged. made_by: the command that trains it."""

    name: str
    stage: Stage
    """Stage under which the clips of its trainings are listed."""
    inner: str
    """Name of our folder inside the logged model."""
    files: tuple[str, ...]
    requires: tuple[str, ...]
    """Packages that the logged code imports, besides MLflow itself."""
    takes: tuple[Tensor, ...]
    gives: Tensor
    example: Callable[[Any], Example]
    """Builds inputs by name for a model with this card."""
    card: Callable[[Path], Card]
    """Reads all of a folder and returns its card. Raises: ModelFileError."""
    made_by: str
    purpose: str
    """Sentence on the model's work."""
    is_promoted: bool = False
    """True if one of its versions is the champion."""

    @property
    def hashed(self) -> Mapping[str, str]:
        """Tag that holds the sha256 of each file, by file: "weights_sha256" of "weights.safetensors"."""
        return {name: f"{Path(name).stem}_sha256" for name in self.files}

    @property
    def description(self) -> str:
        """Text on the registered model's page, in Markdown."""
        return f"{self.purpose} Versions come from `{self.made_by}`." + (_WHO_LEADS if self.is_promoted else "")

    @property
    def signature(self) -> "ModelSignature":
        """Inputs and outputs of the model, as MLflow checks them."""
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        inputs = Schema([TensorSpec(dtype, shape, name) for name, dtype, shape in self.takes])
        return ModelSignature(inputs=inputs, outputs=Schema([TensorSpec(*self.gives[1:])]))


def _generator_card(folder: Path) -> GeneratorCard:
    from heterodub.model.io import load_generator

    return load_generator(folder)[1]


def _translator_card(folder: Path, finetuned: bool) -> TranslatorCard:
    """Return the card of a translator that is of the kind it is registered as.

    Raises: ModelFileError - it is a fine-tuned one under the other's name, or the other way round.
    """
    from heterodub.model.io import load_translator

    card = load_translator(folder)[1]
    if bool(card.tuned_on) != finetuned:
        right = FINETUNED if card.tuned_on else TRANSLATOR
        raise ModelFileError(f"the translator in {folder} is registered as {right} alone")
    return card


def _baseline_card(folder: Path) -> BaselineCard:
    from heterodub.model.io import load_baseline

    return load_baseline(folder)[1]


_LIPS: Final = 80.0
_ARCS: Final = {
    "outline": (0.0, -10.0, 100.0, 130.0),
    "brow_left": (-45.0, -35.0, 30.0, -10.0),
    "brow_right": (45.0, -35.0, 30.0, -10.0),
    "nose_lower": (0.0, 45.0, 22.0, 8.0),
    "lid_left_upper": (-45.0, 0.0, 20.0, -8.0),
    "lid_left_lower": (-45.0, 0.0, 20.0, 6.0),
    "lid_right_upper": (45.0, 0.0, 20.0, -8.0),
    "lid_right_lower": (45.0, 0.0, 20.0, 6.0),
    "lip_upper_outer": (0.0, _LIPS, 38.0, -14.0),
    "lip_upper_inner": (0.0, _LIPS, 32.0, -3.0),
    "lip_lower_inner": (0.0, _LIPS, 32.0, 5.0),
    "lip_lower_outer": (0.0, _LIPS, 38.0, 18.0),
}
"""Each boundary as half an ellipse: centre x and y, half width, and how far its middle sags; in pixels."""


def made_face(frames: int) -> NDArray[np.float32]:
    """Draw a face in pixels (frames, 216, 2) that sways a little; its mouth stands still."""
    curves = []
    for boundary in BOUNDARIES:
        if boundary.name == "nose_bridge":
            curves.append(np.stack([np.zeros(boundary.points), np.linspace(0.0, 40.0, boundary.points)], axis=1))
            continue
        x, y, wide, sag = _ARCS[boundary.name]
        angle = np.linspace(np.pi, 0.0, boundary.points)
        curves.append(np.stack([x + wide * np.cos(angle), y + sag * np.sin(angle)], axis=1))
    sway = 4.0 * np.sin(np.arange(frames) / 5.0)[:, None, None]
    return np.asarray(np.concatenate(curves)[None] + np.array([320.0, 240.0]) + sway, np.float32)


def generator_example(speech_width: int = MEL_BANDS, frames: int = 5) -> Example:
    """Build inputs of the pyfunc by name: frames of a synthetic face under a hum, with one reference frame."""
    bands, columns = np.arange(MEL_BANDS), np.arange(mel_columns(frames))
    hum = np.asarray(-5.0 - bands / 20.0 + np.sin(columns / 3.0)[:, None], np.float32)
    mel = np.pad(hum, ((0, 0), (0, speech_width - MEL_BANDS)))
    face = made_face(frames)
    return {"mel": mel, "landmarks": face, "reference": face[:1].copy()}


def translator_example(side_px: int) -> Example:
    """Build inputs of the translator's pyfunc by name: three frames of noise with a synthetic face, two references."""
    face = made_face(3)
    low, high = face.reshape(-1, 2).min(axis=0), face.reshape(-1, 2).max(axis=0)
    placed = np.asarray((face - (low + high) / 2) * (side_px / 1.6 / (high - low).max()) + side_px / 2, np.float32)
    pictures = np.random.default_rng(0).integers(0, 256, (3, side_px, side_px, 3), np.uint8)
    return {
        "pictures": pictures,
        "source": placed,
        "wanted": placed,
        "reference_pictures": pictures[:2].copy(),
        "reference_landmarks": placed[:2].copy(),
    }


def baseline_example(side_px: int) -> Example:
    """Build inputs of a baseline's pyfunc by name: those of a translator that a baseline takes, under a hum."""
    example = translator_example(side_px)
    inputs = {name: example[name] for name in ("pictures", "reference_pictures", "reference_landmarks")}
    mel = np.full((len(example["pictures"]), MEL_BANDS, MEL_CONTEXT_COLUMNS), -5.0, np.float32)
    return inputs | {"mel": mel}


LANDMARK_GENERATOR: Final = ModelKind(
    name=GENERATOR,
    stage=Stage.STAGE1,
    inner="generator",
    files=(WEIGHTS, CARD),
    requires=("torch", "numpy", "safetensors", "pydantic"),
    takes=(
        ("mel", _FLOATS, (-1, -1)),  # senone scores behind the 80 bands, if the generator reads them
        ("landmarks", _FLOATS, _FACES),
        ("reference", _FLOATS, _FACES),
    ),
    gives=("landmarks", _FLOATS, _FACES),
    example=lambda card: generator_example(card.architecture.speech_width),
    card=_generator_card,
    made_by="heterodub train stage1",
    purpose="From speech to the landmarks of lips and lower face (stage 1).",
    is_promoted=True,
)


LANDMARK_TRANSLATOR: Final = ModelKind(
    name=TRANSLATOR,
    stage=Stage.STAGE2,
    inner="translator",
    files=(WEIGHTS, DISCRIMINATORS, CARD),
    requires=("torch", "numpy", "scipy", "safetensors", "pydantic"),
    takes=(
        ("pictures", _BYTES, _CROPS),
        ("source", _FLOATS, _FACES),
        ("wanted", _FLOATS, _FACES),
        ("reference_pictures", _BYTES, _CROPS),
        ("reference_landmarks", _FLOATS, _FACES),
    ),
    gives=("pictures", _FLOATS, _CROPS),
    example=lambda card: translator_example(card.architecture.side_px),
    card=lambda folder: _translator_card(folder, finetuned=False),
    made_by="heterodub train stage2",
    purpose="From landmarks to the picture of the face, in the looks of reference frames (stage 2).",
    is_promoted=True,
)

FINETUNED_TRANSLATOR: Final = replace(
    LANDMARK_TRANSLATOR,
    name=FINETUNED,
    card=lambda folder: _translator_card(folder, finetuned=True),
    made_by="heterodub finetune CLIP",
    purpose="Landmark translators that were adapted to one speaker each, and are used where they are named.",
    is_promoted=False,
)


def _baseline(name: BaselineName) -> ModelKind:
    """Kind of a system that the paper compares with; all of them have the same inputs and outputs."""
    return ModelKind(
        name=name,
        stage=Stage.STAGE2,
        inner="baseline",
        files=(WEIGHTS, CARD),
        requires=("torch", "numpy", "scipy", "safetensors", "pydantic", "lightning-fabric"),
        takes=(
            ("pictures", _BYTES, _CROPS),
            ("mel", _FLOATS, (-1, MEL_BANDS, MEL_CONTEXT_COLUMNS)),
            ("reference_pictures", _BYTES, _CROPS),
            ("reference_landmarks", _FLOATS, _FACES),
        ),
        gives=("pictures", _BYTES, _CROPS),
        example=lambda card: baseline_example(card.architecture.side_px),
        card=_baseline_card,
        made_by=f"heterodub train baseline {name}",
        purpose="A system that the paper compares with: from speech and reference frames to the picture of the face.",
    )


BASELINE_KINDS: Final[Mapping[BaselineName, ModelKind]] = {name: _baseline(name) for name in BASELINES}

KINDS: Final = {
    kind.name: kind
    for kind in (LANDMARK_GENERATOR, LANDMARK_TRANSLATOR, FINETUNED_TRANSLATOR, *BASELINE_KINDS.values())
}

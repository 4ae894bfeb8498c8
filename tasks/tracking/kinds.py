"""Registered models: their names, files, signatures and readers.

Queries of the registry must be cheap, so networks and MLflow's own model classes load only where a model is logged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.cards import (
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
from schemas.config.baselines import BASELINES, BaselineName
from schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_CONTEXT_COLUMNS
from schemas.errors import ModelFileError

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

Tensor = tuple[str, Any, tuple[int, ...]]
"""Name, dtype and shape of a model's input or output; -1 for any length."""

_FLOATS, _BYTES = np.dtype(np.float32), np.dtype(np.uint8)
_FACES: Final = (-1, LANDMARK_POINTS, 2)
_CROPS: Final = (-1, -1, -1, 3)


@dataclass(frozen=True, slots=True)
class ModelKind:
    """One kind of model. hashed: tag that keeps the sha256 of each of its files, by file. made_by: the command."""

    name: str
    inner: str
    """Name of our folder inside the logged model."""
    hashed: Mapping[str, str]
    predictor: str
    """Script that MLflow runs to load it, beside this file."""
    requires: tuple[str, ...]
    """Packages that the logged code imports, besides MLflow itself."""
    takes: tuple[Tensor, ...]
    gives: Tensor
    example: Callable[[Path], dict[str, NDArray[Any]]]
    card: Callable[[Path], GeneratorCard | TranslatorCard | BaselineCard]
    """Reads all of a folder and returns its card. Raises: ModelFileError."""
    made_by: str

    @property
    def signature(self) -> "ModelSignature":
        """Inputs and outputs of the model, as MLflow checks them."""
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        taken = Schema([TensorSpec(dtype, shape, name) for name, dtype, shape in self.takes])
        return ModelSignature(inputs=taken, outputs=Schema([TensorSpec(*self.gives[1:])]))


def _generator_card(folder: Path) -> GeneratorCard:
    from model.io import load_generator

    return load_generator(folder)[1]


def _translator_card(folder: Path, finetuned: bool) -> TranslatorCard:
    """Return the card of a translator that is of the kind it is registered as.

    Raises: ModelFileError - it is a fine-tuned one under the other's name, or the other way round.
    """
    from model.io import load_translator

    card = load_translator(folder)[1]
    if bool(card.tuned_on) != finetuned:
        right = FINETUNED if card.tuned_on else TRANSLATOR
        raise ModelFileError(f"the translator in {folder} is registered as {right} alone")
    return card


def _baseline_card(folder: Path) -> BaselineCard:
    from model.io import load_baseline

    return load_baseline(folder)[1]


def _generator_example(_: Path) -> dict[str, NDArray[Any]]:
    from .example import input_example

    return dict(input_example())


def _translator_example(folder: Path) -> dict[str, NDArray[Any]]:
    from model.io import load_translator

    from .example import translator_example

    return translator_example(load_translator(folder)[1].architecture.side_px)


def _baseline_example(folder: Path) -> dict[str, NDArray[Any]]:
    from .example import baseline_example

    return baseline_example(_baseline_card(folder).architecture.side_px)


LANDMARK_GENERATOR: Final = ModelKind(
    name=GENERATOR,
    inner="generator",
    hashed={WEIGHTS: "weights_sha256", CARD: "card_sha256"},
    predictor="predictor.py",
    requires=("torch", "numpy", "safetensors", "pydantic"),
    takes=(
        ("mel", _FLOATS, (-1, MEL_BANDS)),
        ("landmarks", _FLOATS, _FACES),
        ("reference", _FLOATS, _FACES),
    ),
    gives=("landmarks", _FLOATS, _FACES),
    example=_generator_example,
    card=_generator_card,
    made_by="heterodub train stage1",
)


LANDMARK_TRANSLATOR: Final = ModelKind(
    name=TRANSLATOR,
    inner="translator",
    hashed={WEIGHTS: "weights_sha256", DISCRIMINATORS: "discriminators_sha256", CARD: "card_sha256"},
    predictor="translator_predictor.py",
    requires=("torch", "numpy", "scipy", "safetensors", "pydantic"),
    takes=(
        ("pictures", _BYTES, _CROPS),
        ("source", _FLOATS, _FACES),
        ("wanted", _FLOATS, _FACES),
        ("reference_pictures", _BYTES, _CROPS),
        ("reference_landmarks", _FLOATS, _FACES),
    ),
    gives=("pictures", _FLOATS, _CROPS),
    example=_translator_example,
    card=lambda folder: _translator_card(folder, finetuned=False),
    made_by="heterodub train stage2",
)

FINETUNED_TRANSLATOR: Final = replace(
    LANDMARK_TRANSLATOR,
    name=FINETUNED,
    card=lambda folder: _translator_card(folder, finetuned=True),
    made_by="heterodub finetune CLIP",
)


def _baseline(name: BaselineName) -> ModelKind:
    """Kind of a system that the paper compares with; all of them have the same inputs and outputs."""
    return ModelKind(
        name=name,
        inner="baseline",
        hashed={WEIGHTS: "weights_sha256", CARD: "card_sha256"},
        predictor="baseline_predictor.py",
        requires=("torch", "numpy", "scipy", "safetensors", "pydantic", "lightning-fabric"),
        takes=(
            ("pictures", _BYTES, _CROPS),
            ("mel", _FLOATS, (-1, MEL_BANDS, MEL_CONTEXT_COLUMNS)),
            ("reference_pictures", _BYTES, _CROPS),
            ("reference_landmarks", _FLOATS, _FACES),
        ),
        gives=("pictures", _BYTES, _CROPS),
        example=_baseline_example,
        card=_baseline_card,
        made_by=f"heterodub train baseline {name}",
    )


BASELINE_KINDS: Final[Mapping[BaselineName, ModelKind]] = {name: _baseline(name) for name in BASELINES}

KINDS: Final = {
    kind.name: kind
    for kind in (LANDMARK_GENERATOR, LANDMARK_TRANSLATOR, FINETUNED_TRANSLATOR, *BASELINE_KINDS.values())
}

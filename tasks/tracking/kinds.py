"""What the registered models are: their names, files, signatures and readers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from model.baselines import files as rival_files
from model.stage1 import files as stage1_files
from model.stage2 import files as stage2_files
from schemas.cards import FINETUNED, GENERATOR, TRANSLATOR, GeneratorCard, RivalCard, TranslatorCard
from schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_CONTEXT_COLUMNS
from schemas.errors import ModelFileError
from schemas.rivals import RIVALS, RivalName

from .example import input_example, rival_example, translator_example

_FLOATS, _BYTES = np.dtype(np.float32), np.dtype(np.uint8)
_FACES: Final = (-1, LANDMARK_POINTS, 2)
_CROPS: Final = (-1, -1, -1, 3)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of model. hashed: tag that keeps the sha256 of each of its files, by file. made_by: the command."""

    name: str
    inner: str
    """Name of our folder inside the logged model."""
    hashed: Mapping[str, str]
    predictor: str
    """Script that MLflow runs to load it, beside this file."""
    requires: tuple[str, ...]
    """What the logged code imports, besides MLflow itself."""
    signature: ModelSignature
    example: Callable[[Path], dict[str, NDArray[Any]]]
    card: Callable[[Path], GeneratorCard | TranslatorCard | RivalCard]
    """Reads all of a folder and gives its card. Raises: ModelFileError."""
    made_by: str


LANDMARK_GENERATOR: Final = Kind(
    name=GENERATOR,
    inner="generator",
    hashed={stage1_files.WEIGHTS: "weights_sha256", stage1_files.CARD: "card_sha256"},
    predictor="predictor.py",
    requires=("torch", "numpy", "safetensors", "pydantic"),
    signature=ModelSignature(
        inputs=Schema(
            [
                TensorSpec(_FLOATS, (-1, MEL_BANDS), "mel"),
                TensorSpec(_FLOATS, _FACES, "landmarks"),
                TensorSpec(_FLOATS, _FACES, "reference"),
            ]
        ),
        outputs=Schema([TensorSpec(_FLOATS, _FACES)]),
    ),
    example=lambda _: input_example(),
    card=lambda folder: stage1_files.load_generator(folder)[1],
    made_by="heterodub train stage1",
)


def _translator_card(folder: Path, finetuned: bool) -> TranslatorCard:
    """The card of a translator that is of the kind it is registered as.

    Raises: ModelFileError - it is a fine-tuned one under the other's name, or the other way round.
    """
    card = stage2_files.load_translator(folder)[1]
    if bool(card.tuned_on) != finetuned:
        right = FINETUNED if card.tuned_on else TRANSLATOR
        raise ModelFileError(f"the translator in {folder} is registered as {right} alone")
    return card


LANDMARK_TRANSLATOR: Final = Kind(
    name=TRANSLATOR,
    inner="translator",
    hashed={
        stage2_files.WEIGHTS: "weights_sha256",
        stage2_files.CRITICS: "critics_sha256",
        stage2_files.CARD: "card_sha256",
    },
    predictor="translator_predictor.py",
    requires=("torch", "numpy", "scipy", "safetensors", "pydantic"),
    signature=ModelSignature(
        inputs=Schema(
            [
                TensorSpec(_BYTES, _CROPS, "pictures"),
                TensorSpec(_FLOATS, _FACES, "source"),
                TensorSpec(_FLOATS, _FACES, "wanted"),
                TensorSpec(_BYTES, _CROPS, "reference_pictures"),
                TensorSpec(_FLOATS, _FACES, "reference_landmarks"),
            ]
        ),
        outputs=Schema([TensorSpec(_FLOATS, _CROPS)]),
    ),
    example=lambda folder: translator_example(stage2_files.load_translator(folder)[1].shape.side_px),
    card=lambda folder: _translator_card(folder, finetuned=False),
    made_by="heterodub train stage2",
)

FINETUNED_TRANSLATOR: Final = replace(
    LANDMARK_TRANSLATOR,
    name=FINETUNED,
    card=lambda folder: _translator_card(folder, finetuned=True),
    made_by="heterodub finetune CLIP",
)


def _rival(name: RivalName) -> Kind:
    """What the paper compares with: all rivals take and give the same."""
    return Kind(
        name=name,
        inner="rival",
        hashed={rival_files.WEIGHTS: "weights_sha256", rival_files.CARD: "card_sha256"},
        predictor="rival_predictor.py",
        requires=("torch", "numpy", "scipy", "safetensors", "pydantic", "lightning-fabric"),
        signature=ModelSignature(
            inputs=Schema(
                [
                    TensorSpec(_BYTES, _CROPS, "pictures"),
                    TensorSpec(_FLOATS, (-1, MEL_BANDS, MEL_CONTEXT_COLUMNS), "mel"),
                    TensorSpec(_BYTES, _CROPS, "reference_pictures"),
                    TensorSpec(_FLOATS, _FACES, "reference_landmarks"),
                ]
            ),
            outputs=Schema([TensorSpec(_BYTES, _CROPS)]),
        ),
        example=lambda folder: rival_example(rival_files.load_rival(folder)[1].shape.side_px),
        card=lambda folder: rival_files.load_rival(folder)[1],
        made_by=f"heterodub train rival {name}",
    )


RIVAL_KINDS: Final[Mapping[RivalName, Kind]] = {name: _rival(name) for name in RIVALS}

KINDS: Final = {
    kind.name: kind for kind in (LANDMARK_GENERATOR, LANDMARK_TRANSLATOR, FINETUNED_TRANSLATOR, *RIVAL_KINDS.values())
}

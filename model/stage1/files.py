"""A landmark generator on disk: weights without code, and a card in JSON. Nothing is unpickled."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from model.stage1.network import LandmarkGenerator
from schemas.cards import Contract, GeneratorCard
from schemas.errors import ModelFileError

WEIGHTS: Final = "weights.safetensors"
CARD: Final = "card.json"


def save_generator(folder: Path, generator: LandmarkGenerator, card: GeneratorCard) -> None:
    """Write weights and card into a folder, which is made; files of the same name are replaced.

    Raises: OSError - the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in generator.state_dict().items()}, folder / WEIGHTS)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n")


def load_generator(folder: Path) -> tuple[LandmarkGenerator, GeneratorCard]:
    """Read a generator, ready for use, and its card.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    try:
        card = GeneratorCard.model_validate_json((folder / CARD).read_text())
        if differs := card.contract.differences(Contract()):
            raise ModelFileError(f"{folder} was trained under another contract: {'; '.join(differs)}")
        generator = LandmarkGenerator(card.shape)
        generator.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValidationError, SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"{folder} holds no landmark generator that can be read: {error}") from error
    return generator.eval(), card

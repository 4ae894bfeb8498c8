"""A landmark translator on disk: weights without code, and a card in JSON. Nothing is unpickled."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from model.stage2.critics import Critics
from model.stage2.network import Painter
from schemas.cards import Contract, TranslatorCard
from schemas.errors import ModelFileError

WEIGHTS: Final = "weights.safetensors"
"""Of embedder and generator."""
CRITICS: Final = "critics.safetensors"
"""Of the discriminators, with which fine-tuning goes on."""
CARD: Final = "card.json"
FILES: Final = (WEIGHTS, CRITICS, CARD)


def save_translator(folder: Path, painter: Painter, critics: Critics, card: TranslatorCard) -> None:
    """Write weights and card into a folder, which is made; files of the same name are replaced.

    Raises: OSError - the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for network, name in ((painter, WEIGHTS), (critics, CRITICS)):
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, folder / name)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n")


def load_translator(folder: Path) -> tuple[Painter, TranslatorCard]:
    """Read a painter, ready for use, and its card.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    card = _card(folder)
    painter = Painter(card.shape)
    _fill(painter, folder / WEIGHTS)
    return painter.eval(), card


def load_critics(folder: Path) -> Critics:
    """Read the critics of a translator, to go on training with.

    Raises: as load_translator.
    """
    card = _card(folder)
    critics = Critics(card.critics, card.window_frames)
    _fill(critics, folder / CRITICS)
    return critics


def _card(folder: Path) -> TranslatorCard:
    try:
        card = TranslatorCard.model_validate_json((folder / CARD).read_text())
    except (OSError, ValidationError) as error:
        raise ModelFileError(f"{folder} holds no landmark translator that can be read: {error}") from error
    if differs := card.contract.differences(Contract()):
        raise ModelFileError(f"{folder} was trained under another contract: {'; '.join(differs)}")
    return card


def _fill(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"{path} does not hold what its card says: {error}") from error

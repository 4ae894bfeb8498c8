"""A landmark translator on disk, with the critics that it was trained against; see model/files.py."""

from pathlib import Path

import torch

from model.files import CARD, CPU, WEIGHTS, built, read_card, save
from model.stage2.critics import Critics
from model.stage2.network import Painter
from schemas.cards import CRITICS, TranslatorCard

__all__ = ["CARD", "CRITICS", "WEIGHTS", "load_critics", "load_translator", "save_translator"]


def save_translator(folder: Path, painter: Painter, critics: Critics, card: TranslatorCard) -> None:
    """Write weights and card into a folder. Raises: as save."""
    save(folder, {WEIGHTS: painter, CRITICS: critics}, card)


def load_translator(folder: Path, device: torch.device = CPU) -> tuple[Painter, TranslatorCard]:
    """Read a painter, ready for use on a device, and its card.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    card = _card(folder)
    painter = built(lambda: Painter(card.shape), folder / WEIGHTS)
    return painter.eval().to(device), card


def load_critics(folder: Path) -> Critics:
    """Read the critics of a translator, to go on training with.

    Raises: as load_translator.
    """
    card = _card(folder)
    return built(lambda: Critics(card.critics, card.window_frames), folder / CRITICS)


def _card(folder: Path) -> TranslatorCard:
    return read_card(folder, TranslatorCard, "landmark translator")

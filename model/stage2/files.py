"""A landmark translator on disk, with the discriminators that it was trained against; see model/io.py."""

from pathlib import Path

import torch

from model.io import CARD, CPU, WEIGHTS, built, read_card, save
from model.stage2.discriminators import Discriminators
from model.stage2.network import LandmarkTranslator
from schemas.cards import DISCRIMINATORS, TranslatorCard

__all__ = ["CARD", "DISCRIMINATORS", "WEIGHTS", "load_discriminators", "load_translator", "save_translator"]


def save_translator(
    folder: Path, translator: LandmarkTranslator, discriminators: Discriminators, card: TranslatorCard
) -> None:
    """Write weights and card into a folder. Raises: as save."""
    save(folder, {WEIGHTS: translator, DISCRIMINATORS: discriminators}, card)


def load_translator(folder: Path, device: torch.device = CPU) -> tuple[LandmarkTranslator, TranslatorCard]:
    """Read a translator, ready for use on a device, and its card.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    card = _card(folder)
    translator = built(lambda: LandmarkTranslator(card.architecture), folder / WEIGHTS)
    return translator.eval().to(device), card


def load_discriminators(folder: Path) -> Discriminators:
    """Read the discriminators of a translator, to continue training with.

    Raises: as load_translator.
    """
    card = _card(folder)
    return built(lambda: Discriminators(card.discriminators, card.window_frames), folder / DISCRIMINATORS)


def _card(folder: Path) -> TranslatorCard:
    return read_card(folder, TranslatorCard, "landmark translator")

"""A landmark generator on disk; see model/io.py."""

from pathlib import Path

import torch

from model.io import CARD, CPU, WEIGHTS, built, read_card, save
from model.stage1.network import LandmarkGenerator
from schemas.cards import GeneratorCard

__all__ = ["CARD", "WEIGHTS", "load_generator", "save_generator"]


def save_generator(folder: Path, generator: LandmarkGenerator, card: GeneratorCard) -> None:
    """Write weights and card into a folder. Raises: as save."""
    save(folder, {WEIGHTS: generator}, card)


def load_generator(folder: Path, device: torch.device = CPU) -> tuple[LandmarkGenerator, GeneratorCard]:
    """Read a generator, ready for use on a device, and its card.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    card = read_card(folder, GeneratorCard, "landmark generator")
    generator = built(lambda: LandmarkGenerator(card.architecture), folder / WEIGHTS)
    return generator.eval().to(device), card

"""A rival on disk; see model/files.py."""

from pathlib import Path

import torch

from model.baselines.named import RIVALS
from model.baselines.painting import RivalNetwork, RivalPainter
from model.files import CARD, CPU, WEIGHTS, built, read_card, save
from schemas.cards import RivalCard

__all__ = ["CARD", "WEIGHTS", "load_rival", "save_rival"]


def save_rival(folder: Path, network: RivalNetwork, card: RivalCard) -> None:
    """Write weights and card into a folder. Raises: as save."""
    save(folder, {WEIGHTS: network}, card)


def load_rival(folder: Path, device: torch.device = CPU) -> tuple[RivalPainter, RivalCard]:
    """Read a rival, ready to paint on a device, and its card, which says which one it is.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    card = read_card(folder, RivalCard, "rival")
    network = built(lambda: RIVALS[card.kind].build(card.shape), folder / WEIGHTS)
    return RivalPainter(network.to(device)), card

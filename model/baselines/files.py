"""A baseline on disk; see model/io.py."""

from pathlib import Path

import torch

from model.baselines.build import BASELINES
from model.baselines.inference import BaselineInference, BaselineNetwork
from model.io import CARD, CPU, WEIGHTS, built, read_card, save
from schemas.cards import BaselineCard

__all__ = ["CARD", "WEIGHTS", "load_baseline", "save_baseline"]


def save_baseline(folder: Path, network: BaselineNetwork, card: BaselineCard) -> None:
    """Write weights and card into a folder. Raises: as save."""
    save(folder, {WEIGHTS: network}, card)


def load_baseline(folder: Path, device: torch.device = CPU) -> tuple[BaselineInference, BaselineCard]:
    """Read a baseline, ready for use on a device, and its card, which names it.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    card = read_card(folder, BaselineCard, "baseline")
    network = built(lambda: BASELINES[card.kind].build(card.architecture), folder / WEIGHTS)
    return BaselineInference(network.to(device)), card

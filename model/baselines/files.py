"""A rival on disk: weights without code, and a card in JSON. Nothing is unpickled."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from model.baselines.named import RIVALS
from model.baselines.painting import RivalNetwork, RivalPainter
from schemas.cards import Contract, RivalCard
from schemas.errors import ModelFileError

WEIGHTS: Final = "weights.safetensors"
CARD: Final = "card.json"


def save_rival(folder: Path, network: RivalNetwork, card: RivalCard) -> None:
    """Write weights and card into a folder, which is made; files of the same name are replaced.

    Raises: OSError - the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / WEIGHTS)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n")


def load_rival(folder: Path) -> tuple[RivalPainter, RivalCard]:
    """Read a rival, ready to paint, and its card, which says which one it is.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    try:
        card = RivalCard.model_validate_json((folder / CARD).read_text())
        if differs := card.contract.differences(Contract()):
            raise ModelFileError(f"{folder} was trained under another contract: {'; '.join(differs)}")
        network = RIVALS[card.kind].build(card.shape)
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValidationError, SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"{folder} holds no rival that can be read: {error}") from error
    return RivalPainter(network), card

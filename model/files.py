"""A model on disk: weights without code, and a card in JSON. Nothing is unpickled."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from schemas.cards import CARD, WEIGHTS, Contract, GeneratorCard, RivalCard, TranslatorCard
from schemas.errors import ModelFileError

__all__ = ["CARD", "CPU", "WEIGHTS", "filled", "read_card", "save"]

CPU: Final = torch.device("cpu")

Network = TypeVar("Network", bound=nn.Module)
Card = TypeVar("Card", GeneratorCard, TranslatorCard, RivalCard)


def save(folder: Path, networks: Mapping[str, nn.Module], card: GeneratorCard | TranslatorCard | RivalCard) -> None:
    """Write networks, by file, and their card into a folder, which is made; files of the same name are replaced.

    Raises: OSError - the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in networks.items():
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, folder / name)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n")


def read_card(folder: Path, kind: type[Card], what: str) -> Card:
    """The card in a folder. what: the model's name in words, for whoever reads the error.

    Raises: ModelFileError - it is missing or damaged, or was made under another contract.
    """
    try:
        card = kind.model_validate_json((folder / CARD).read_text())
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder} holds no {what} that can be read: {error}") from error
    if differs := card.contract.differences(Contract()):
        raise ModelFileError(f"{folder} was trained under another contract: {'; '.join(differs)}")
    return card


def filled(build: Callable[[], Network], path: Path) -> Network:
    """A network with its weights. build: makes it from its card, which may claim any size: so it is made only where the
    file, whose header cannot claim more than its bytes, holds as much.

    Raises: ModelFileError - the weights are missing, damaged, or of a network of another shape.
    """
    try:
        with torch.device("meta"):  # shapes alone, no memory
            claimed = {name: tuple(value.shape) for name, value in build().state_dict().items()}
        with safe_open(path, framework="pt") as file:
            held = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
        if differs := sorted(name for name in claimed | held if claimed.get(name) != held.get(name)):
            raise ModelFileError(
                f"{path} does not hold what its card says: {len(differs)} weights, such as {differs[0]}"
            )
        network = build()
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError, OverflowError) as error:
        raise ModelFileError(f"{path} does not hold what its card says: {error}") from error
    return network

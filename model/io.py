"""A model on disk: weights without code, and a card in JSON. Nothing is unpickled."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from schemas.cards import CARD, WEIGHTS, BaselineCard, Contract, GeneratorCard, TranslatorCard
from schemas.errors import ModelFileError

__all__ = ["CARD", "CPU", "WEIGHTS", "built", "fill", "read_card", "save"]

CPU: Final = torch.device("cpu")

Network = TypeVar("Network", bound=nn.Module)

Card = TypeVar("Card", GeneratorCard, TranslatorCard, BaselineCard)


def save(folder: Path, networks: Mapping[str, nn.Module], card: GeneratorCard | TranslatorCard | BaselineCard) -> None:
    """Write networks, by file name, and their card into a folder, which is created; existing files are replaced.

    Raises: OSError - the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in networks.items():
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, folder / name)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n")


def read_card(folder: Path, kind: type[Card], what: str) -> Card:
    """Read the card in a folder. what: the model's name in words, for error messages.

    Raises: ModelFileError - it is missing or damaged, or was made under another contract.
    """
    try:
        card = kind.model_validate_json((folder / CARD).read_text())
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder} holds no {what} that can be read: {error}") from error
    if differs := card.contract.differences(Contract()):
        raise ModelFileError(f"{folder} was trained under another contract: {'; '.join(differs)}")
    return card


def built(make: Callable[[], Network], path: Path) -> Network:
    """A network with the weights of a file. `make` builds it as its card says, which may claim any size: so it is built
    without memory first, and held against the shapes that the file has.

    Raises: ModelFileError - as fill.
    """
    try:
        with torch.device("meta"):
            claimed = {name: tuple(value.shape) for name, value in make().state_dict().items()}
        with safe_open(path, "pt") as file:
            held = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"{path} does not hold what its card says: {error}") from error
    if claimed != held:
        name = min(name for name in {*claimed, *held} if claimed.get(name) != held.get(name))
        raise ModelFileError(
            f"{path} does not hold what its card says: {name} is {claimed.get(name)} there, {held.get(name)} here"
        )
    network = make()
    fill(network, path)
    return network


def fill(network: nn.Module, path: Path) -> None:
    """Read a network's weights.

    Raises: ModelFileError - they are missing, damaged, or of a network of another shape.
    """
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"{path} does not hold what its card says: {error}") from error

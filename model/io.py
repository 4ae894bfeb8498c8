"""Models on disk: weights without code, and a card in JSON. Nothing is unpickled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.overrides import TorchFunctionMode

from heterodub.model.baselines.inference import BaselineInference
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.model.stage2.discriminators import Discriminators
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.schemas.cards import CARD, DISCRIMINATORS, WEIGHTS, BaselineCard, Contract, GeneratorCard, TranslatorCard
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import ModelFileError

CPU: Final = torch.device("cpu")

Network = TypeVar("Network", bound=nn.Module)

Card = TypeVar("Card", GeneratorCard, TranslatorCard, BaselineCard)


def load_generator(folder: Path, device: torch.device = CPU) -> tuple[LandmarkGenerator, GeneratorCard]:
    """Read a generator, ready for use on a device, and its card.

    Raises: ModelFileError - a file is missing or damaged, or was made under another contract.
    """
    card = _read_card(folder, GeneratorCard, "landmark generator")
    generator = _load_network(lambda: LandmarkGenerator(card.architecture), folder / WEIGHTS)
    return generator.eval().to(device), card


def load_translator(folder: Path, device: torch.device = CPU) -> tuple[LandmarkTranslator, TranslatorCard]:
    """Read a translator, ready for use on a device, and its card. Raises: as load_generator."""
    card = _read_card(folder, TranslatorCard, "landmark translator")
    translator = _load_network(lambda: LandmarkTranslator(card.architecture), folder / WEIGHTS)
    return translator.eval().to(device), card


def load_discriminators(folder: Path) -> Discriminators:
    """Read the discriminators of a translator, to continue training with. Raises: as load_generator."""
    card = _read_card(folder, TranslatorCard, "landmark translator")
    return _load_network(lambda: Discriminators(card.discriminators, card.window_frames), folder / DISCRIMINATORS)


def load_baseline(folder: Path, device: torch.device = CPU) -> tuple[BaselineInference, BaselineCard]:
    """Read a baseline, ready for use on a device, and its card, which names it. Raises: as load_generator."""
    from heterodub.model.baselines.build import (
        BASELINES,  # with their training modules, and so Lightning, which takes seconds
    )

    card = _read_card(folder, BaselineCard, "baseline")
    network = _load_network(lambda: BASELINES[card.kind].build(card.architecture), folder / WEIGHTS)
    return BaselineInference(network.to(device)), card


def save_model(
    folder: Path,
    network: nn.Module,
    card: GeneratorCard | TranslatorCard | BaselineCard,
    discriminators: nn.Module | None = None,
) -> None:
    """Write a network, its discriminators if there are any, and last its card into a folder, which is created; existing
    files are replaced.

    Raises: OSError - the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in ((WEIGHTS, network), (DISCRIMINATORS, discriminators)):
        if module is not None:
            save_file({key: value.contiguous() for key, value in module.state_dict().items()}, folder / name)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n")


def _read_card(folder: Path, kind: type[Card], what: str) -> Card:
    """Read the card in a folder. what: the model's name in words, for error messages.

    Raises: ModelFileError - it is missing or damaged, or was made under another contract.
    """
    try:
        card = kind.model_validate_json((folder / CARD).read_text())
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder} holds no {what} that can be read: {message_of(error)}") from error
    if differs := card.contract.differences(Contract()):
        raise ModelFileError(f"{folder} was trained under another contract: {'; '.join(differs)}")
    return card


def _load_network(make: Callable[[], Network], path: Path) -> Network:
    """Build a network with the weights of a file. `make` follows its card, which may claim any size: so it is built
    without memory first, and compared with the shapes in the file.

    Raises: ModelFileError - weights are missing, damaged, or of a network of another shape.
    """
    try:
        with torch.device("meta"), _Unfilled():
            claimed = {name: tuple(value.shape) for name, value in make().state_dict().items()}
        with safe_open(path, "pt") as file:
            stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dict
        if claimed != stored:
            name = min(name for name in {*claimed, *stored} if claimed.get(name) != stored.get(name))
            raise RuntimeError(f"{name} is {claimed.get(name)} there, {stored.get(name)} here")
        network = make()
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"{path} does not hold what its card says: {message_of(error)}") from error
    return network


class _Unfilled(TorchFunctionMode):
    """Leaves new weights as they are: drawing them on "meta" loads PyTorch's compiler, which takes two seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of PyTorch, unless it draws weights."""
        named = kwargs or {}
        if func in _DRAWS or getattr(func, "__module__", "") == nn.init.__name__:
            return named.get("tensor", *args[:1])
        return func(*args, **named)


_DRAWS: Final = (torch.Tensor.normal_, torch.Tensor.uniform_)

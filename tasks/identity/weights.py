"""Model files of the extra `identity`, found in its packages; these are never imported, for they import much else."""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

_MAGIC: Final = 0x1950A86A20F9469CFC6C
"""First thing in a file of torch's format before 1.6."""

_COUNT_BYTES, _FLOAT_BYTES = 8, 4


def package_file(package: str, inner: str) -> Path | None:
    """Return a file inside an installed package; None without the package or the file."""
    spec = find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return next((file for folder in folders if (file := Path(folder, inner)).is_file()), None)


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of a checkpoint: its numbers lie in a storage that follows."""

    storage: str
    offset: int
    shape: tuple[int, ...]

    def of(self, storage: NDArray[np.float32]) -> NDArray[np.float32]:
        return storage[self.offset : self.offset + int(np.prod(self.shape))].reshape(self.shape)


class _TensorUnpickler(pickle.Unpickler):
    """Unpickler of tensors, numbers and dictionaries; anything else in a pickle is an error."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return lambda storage, offset, shape, *_: _Tensor(storage, offset, shape)
            case "torch", "FloatStorage":
                return float  # only named, never called
        raise pickle.UnpicklingError(f"it holds {module}.{name}")

    def persistent_load(self, pid: Any) -> str:
        return str(pid[2])


def read_float_tensors(file: Path, section: str) -> dict[str, NDArray[np.float32]]:
    """Read the tensors of a section of a checkpoint in torch's old format, all of float32, by name.

    Without torch, whose import costs a process far more than the reading, and without all else that a pickle can do.

    Raises: ValueError - it is something else. OSError.
    """
    try:
        with file.open("rb") as opened:
            magic, _version, _machine, content, keys = (_TensorUnpickler(opened).load() for _ in range(5))
            if magic != _MAGIC:
                raise ValueError("it begins otherwise")
            tensors = {name: one for name, one in content[section].items() if isinstance(one, _Tensor)}
            wanted = {tensor.storage for tensor in tensors.values()}
            storages = {key: _storage(opened, key in wanted) for key in keys}
        return {name: tensor.of(storages[tensor.storage]) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{file} is no checkpoint of the kind that is read here: {error}") from error


def _storage(opened: BinaryIO, is_wanted: bool) -> NDArray[np.float32]:
    count = int.from_bytes(opened.read(_COUNT_BYTES), "little")
    if not is_wanted:
        opened.seek(count * _FLOAT_BYTES, 1)
        return np.zeros(0, np.float32)
    return np.frombuffer(opened.read(count * _FLOAT_BYTES), np.float32)

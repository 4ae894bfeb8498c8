"""Base of training batches. Without Lightning, since evaluations read the files of batches as well."""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """A batch of tensors; most have `clip_ids` of their rows as well."""

    def to(self, device: torch.device) -> Self:
        """Return the batch on a device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)})

    @property
    def size_bytes(self) -> int:
        """Size of all tensors."""
        values = (getattr(self, field.name) for field in fields(self))
        return sum(value.nbytes for value in values if isinstance(value, Tensor))

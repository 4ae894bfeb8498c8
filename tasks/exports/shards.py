"""Files that an export's rows are written into: WebDataset tars and Parquet with the metadata of Hugging Face.

Equal rows give equal bytes.
"""

import io
import json
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.schemas.reasons import Stage

from .rows import FACTS, SHAPES, ExportRow

_SHARD_BYTES: Final = 512 << 20
"""A shard is closed once its rows hold so much."""

_GROUP_BYTES: Final = 64 << 20
"""Rows of a Parquet row group: what a reader holds at least."""


class Shards(ABC):
    """Files of one stage and split, written row by row. `with_audio`: rows may hold sound.

    Raises: OSError - a file cannot be written.
    """

    suffix: ClassVar[str]

    def __init__(
        self, folder: Path, stage: Stage, split: str, with_audio: bool, shard_bytes: int = _SHARD_BYTES
    ) -> None:
        self.paths: list[Path] = []
        """Files, in the order of their rows; `counts` are the numbers of their rows."""
        self.counts: list[int] = []
        self.stage, self.with_audio = stage, with_audio
        self._folder, self._split, self._shard_bytes = folder / stage.value, split, shard_bytes
        self._filled = 0

    def add(self, row: ExportRow) -> None:
        """Write a row behind those that are there."""
        if not self.paths or self._filled >= self._shard_bytes:
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            self.paths.append(self._folder / f"{self._split}-{len(self.paths):05d}{self.suffix}")
            self.counts.append(0)
            self._filled = 0
            self._open(self.paths[-1])
        self._write(row)
        self._filled += row.size_bytes
        self.counts[-1] += 1

    @abstractmethod
    def _open(self, path: Path) -> None:
        """Begin a file."""

    @abstractmethod
    def _write(self, row: ExportRow) -> None:
        """Write a row into the file."""

    @abstractmethod
    def close(self) -> None:
        """Write the end of the last file, if there is one."""


class TarShards(Shards):
    """WebDataset: the parts of a clip lie together, named by its id.

    .json: facts; .npz: arrays; .000000.jpg (or .png) and so on: crops; .wav: sound.
    """

    suffix = ".tar"
    _tar: tarfile.TarFile | None = None

    def _open(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed by close

    def _write(self, row: ExportRow) -> None:
        self._part(f"{row.clip_id}.json", json.dumps(row.facts, sort_keys=True, allow_nan=False).encode())
        packed = io.BytesIO()
        arrays: dict[str, Any] = {name: np.ascontiguousarray(one) for name, one in row.arrays.items()}
        np.savez(packed, **arrays)
        self._part(f"{row.clip_id}.npz", packed.getvalue())
        for number, crop in enumerate(row.crops):
            self._part(f"{row.clip_id}.{number:06d}.{_picture_suffix(crop)}", crop)
        if row.audio is not None:
            self._part(f"{row.clip_id}.wav", row.audio)

    def _part(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)  # of nobody, at no time: equal content makes equal files
        entry.size, entry.mode = len(data), 0o644
        assert self._tar is not None
        self._tar.addfile(entry, io.BytesIO(data))

    def close(self) -> None:
        """Write the end of the last file, if there is one."""
        if self._tar is not None:
            self._tar.close()


class ParquetShards(Shards):
    """Parquet whose metadata tell the `datasets` library the features; see `features`."""

    suffix = ".parquet"
    _writer: pq.ParquetWriter | None = None

    def _open(self, path: Path) -> None:
        info = json.dumps({"info": {"features": features(self.stage, self.with_audio)}})
        self._schema = _schema(self.stage, self.with_audio).with_metadata({"huggingface": info})
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[pa.RecordBatch] = []
        self._group_bytes = 0

    def _write(self, row: ExportRow) -> None:
        columns = [pa.array([row.facts[name]], kind) for name, kind in FACTS.items()]
        columns += [_cell(row.arrays[name]) for name in SHAPES[self.stage]]
        if self.stage is Stage.STAGE2:
            crops = [{"bytes": crop, "path": f"{at:06d}.{_picture_suffix(crop)}"} for at, crop in enumerate(row.crops)]
            columns.append(pa.array([crops], pa.list_(_FILE)))
        elif self.with_audio:
            sound = None if row.audio is None else {"bytes": row.audio, "path": f"{row.clip_id}.wav"}
            columns.append(pa.array([sound], _FILE))
        self._rows.append(pa.record_batch(columns, schema=self._schema))
        self._group_bytes += row.size_bytes
        if self._group_bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._writer is not None and self._rows:
            self._writer.write_table(pa.Table.from_batches(self._rows))
        self._rows, self._group_bytes = [], 0

    def close(self) -> None:
        """Write the end of the last file, if there is one."""
        if self._writer is not None:
            self._flush()
            self._writer.close()
            self._writer = None


_FILE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""Storage of pictures and sounds, as the `datasets` library has it."""

_TYPE_NAMES: Final = {pa.string(): "string", pa.int64(): "int64", pa.float64(): "float64", pa.bool_(): "bool"}


def features(stage: Stage, with_audio: bool) -> dict[str, Any]:
    """Return the features of a stage's columns, as `datasets.Features.to_dict` writes them."""
    found: dict[str, Any] = {name: {"dtype": _TYPE_NAMES[kind], "_type": "Value"} for name, kind in FACTS.items()}
    for name, shape in SHAPES[stage].items():
        if shape:
            found[name] = {"shape": [None, *shape], "dtype": "float32", "_type": f"Array{len(shape) + 1}D"}
        else:
            found[name] = {"feature": {"dtype": "bool", "_type": "Value"}, "_type": "List"}
    if stage is Stage.STAGE2:
        found["crops"] = {"feature": {"_type": "Image"}, "_type": "List"}
    elif with_audio:
        found["audio"] = {"sampling_rate": SAMPLE_RATE_HZ, "_type": "Audio"}
    return found


def _schema(stage: Stage, with_audio: bool) -> pa.Schema:
    fields = list(FACTS.items())
    fields += [(name, _nested(len(shape), _element(name))) for name, shape in SHAPES[stage].items()]
    if stage is Stage.STAGE2:
        fields.append(("crops", pa.list_(_FILE)))
    elif with_audio:
        fields.append(("audio", _FILE))
    return pa.schema(fields)


def _element(name: str) -> pa.DataType:
    """Return the type of an array's elements."""
    return pa.bool_() if name == "tracked" else pa.float32()


def _nested(depth: int, kind: pa.DataType) -> pa.DataType:
    for _ in range(depth + 1):
        kind = pa.list_(kind)
    return kind


def _cell(array: NDArray[Any]) -> pa.Array:
    """Return one cell that holds an array as nested lists, without a Python object for each number."""
    cell = pa.array(np.ascontiguousarray(array).ravel())
    lengths: Sequence[int] = array.shape[::-1]
    for length in lengths:
        cell = pa.ListArray.from_arrays(pa.array(range(0, len(cell) + 1, length), pa.int32()), cell)
    return cell


def _picture_suffix(data: bytes) -> str:
    return "png" if data.startswith(b"\x89PNG") else "jpg"

"""Shards and files of data sets for tests, and what a listing says of them."""

import io
import os
import tarfile
from pathlib import Path

from heterodub.schemas.reasons import FileReason
from heterodub.tasks.sources.open import source_files

LABELS = {"speaker": "Ada", "licence": "CC0", "consent": "given", "language": "en", "corpus": "letters"}
FILMS = {f"film {number}": os.urandom(3000 + number) for number in range(3)}


def member(name: str, data: bytes = b"film", kind: bytes = tarfile.REGTYPE, **more) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data) if kind == tarfile.REGTYPE else 0
    for field, value in more.items():
        setattr(info, field, value)
    return info, data


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], form=tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def listed(path: Path | str) -> dict[str, object]:
    """Files by the ends of their addresses."""
    return {raw.uri.rsplit("/", 1)[-1]: raw for raw in source_files(str(path))}


def reasons(path: Path | str) -> dict[str, FileReason | None]:
    return {name: raw.refusal for name, raw in listed(path).items()}

"""Messages between a process and its child: whole or not at all, in time, with open files, and made of plain values.

A pickle of a child that a file has taken over would run what that file wants in its parent, with all the parent's
rights; so no object leaves a child, only text and numbers.
"""

import array
import io
import pickle
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, singledispatch
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Never

from heterodub.schemas import errors
from heterodub.schemas.errors import HeterodubError, MediaRefusedError
from heterodub.schemas.reasons import FileReason

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST_BYTES: Final = 2**30
"""Of one message. Its sender may be in other hands, and says beforehand how long it is."""

MOST_FILES: Final = 250
"""The kernel passes on 253 at a time."""

_HEADER: Final = struct.Struct("=Q")


class MessageChannel:
    """One end of a pair of connected sockets; it is closed with the channel."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: bytes, files: Sequence[int] = ()) -> None:
        """Send a message, and descriptors of open files, which stay open here.

        Raises: OSError - the other end is closed.
        """
        self._end.settimeout(None)
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        self._end.sendmsg([_HEADER.pack(len(message))], passed)
        self._end.sendall(message)

    def waits(self, seconds: float) -> bool:
        """Return True if something arrives within so many seconds."""
        self._end.settimeout(max(seconds, 1e-3))
        try:
            self._end.recv(1, socket.MSG_PEEK)  # nothing, where the other end is closed; receive() says so
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
        return True

    def receive(self, seconds: float | None = None, files: int = 0) -> tuple[bytes, list[int]]:
        """The next message, and up to `files` descriptors that came with it. seconds: for all of it; None: no end.

        Raises: EOFError - the other end is closed. TimeoutError. ValueError - the message is too long.
        """
        end = None if seconds is None else time.monotonic() + seconds
        header, descriptors = self._head(end, files)
        (size,) = _HEADER.unpack(header)
        if size > MOST_BYTES:
            raise ValueError(f"a message of {size} bytes")
        return self._exactly(size, end), descriptors

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _head(self, end: float | None, files: int) -> tuple[bytes, list[int]]:
        if not files:
            return self._exactly(_HEADER.size, end), []
        self._limit(end)
        space = socket.CMSG_SPACE(files * array.array("i").itemsize)
        header, control, _, _ = self._end.recvmsg(_HEADER.size, space)
        descriptors = array.array("i")
        for level, kind, data in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        if not header:
            raise EOFError
        return header + self._exactly(_HEADER.size - len(header), end), list(descriptors)

    def _exactly(self, size: int, end: float | None) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._limit(end)
            piece = self._end.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def _limit(self, end: float | None) -> None:
        self._end.settimeout(None if end is None else max(end - time.monotonic(), 1e-3))


def packed(value: Any) -> bytes:
    """A value as bytes.

    Raises: TypeError - it is made of something that has no plain form.
    """
    return pickle.dumps(plain(value))


def unpacked(data: bytes, kind: Any = Any) -> Any:
    """The value again, which must be of the kind: a type, as annotations name it.

    Raises: ValueError - it is not, or the bytes are no plain value.
    """
    try:
        value = _Plain(io.BytesIO(data)).load()
    except Exception as error:  # whatever damaged bytes make of the reader
        raise ValueError(f"an answer that cannot be read: {type(error).__name__}: {error}") from error
    try:
        return _adapter(kind).validate_python(value)
    except (ValueError, RecursionError) as error:  # pydantic's is a ValueError
        raise ValueError(f"an answer that does not fit: {error}") from error


class _Plain(pickle.Unpickler):
    """Reads text, numbers, and what collects them: anything else is asked for by name, and there are no names."""

    def find_class(self, module: str, name: str) -> Never:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter  # here, not above: a child takes nothing in

    return TypeAdapter(kind)


@singledispatch
def plain(value: Any) -> Any:
    """A value as text, numbers, bytes, and lists and mappings of them. Other kinds are registered where they are used.

    Raises: TypeError - there is no plain form.
    """
    match value:
        case None | bool() | bytes():
            return value
        case Enum():
            return value.value
        case int() | float() | str():
            return next(kind for kind in (int, float, str) if isinstance(value, kind))(value)  # of no kind derived
        case PurePath():
            return str(value)
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case Mapping():
            return {plain(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if type(value).__module__ == "numpy" and hasattr(value, "item"):  # a single number; numpy need not be loaded for it
        return plain(value.item())
    raise TypeError(f"{type(value).__name__} has no plain form")


def plain_error(error: BaseException) -> dict[str, Any]:
    """An error as a mapping: what ends the run keeps its kind, a refusal its reason, any other its name and text."""
    if isinstance(error, MediaRefusedError):
        return {"reason": error.reason.value, "words": error.detail}
    if isinstance(error, HeterodubError):
        return {"kind": type(error).__name__, "words": str(error)}
    if isinstance(error, OSError) and error.errno is not None:
        name = None if error.filename is None else str(error.filename)
        return {"errno": error.errno, "words": error.strerror or "", "filename": name}
    return {"words": f"{type(error).__name__}: {error}"}


def error_of(values: Mapping[str, Any]) -> Exception:
    """The error again."""
    words = str(values.get("words", ""))
    if values.get("reason") in set(FileReason):
        return MediaRefusedError(FileReason(values["reason"]), words)
    kind = getattr(errors, str(values.get("kind")), None)
    if isinstance(kind, type) and issubclass(kind, HeterodubError):
        return kind(words) if not issubclass(kind, errors.BatchError | errors.RetrainError) else HeterodubError(words)
    if isinstance(values.get("errno"), int):
        return OSError(values["errno"], words, values.get("filename"))
    return RuntimeError(words)

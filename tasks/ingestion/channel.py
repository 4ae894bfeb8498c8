"""Messages between a process and its child, whole or not at all, open files with them, and each within its time."""

import array
import socket
import struct
import time
from collections.abc import Sequence
from typing import Final

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
        header, found = self._head(end, files)
        (size,) = _HEADER.unpack(header)
        if size > MOST_BYTES:
            raise ValueError(f"a message of {size} bytes")
        return self._exactly(size, end), found

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _head(self, end: float | None, files: int) -> tuple[bytes, list[int]]:
        if not files:
            return self._exactly(_HEADER.size, end), []
        self._limit(end)
        space = socket.CMSG_SPACE(files * array.array("i").itemsize)
        header, control, _, _ = self._end.recvmsg(_HEADER.size, space)
        found = array.array("i")
        for level, kind, data in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                found.frombytes(data[: len(data) - len(data) % found.itemsize])
        if not header:
            raise EOFError
        return header + self._exactly(_HEADER.size - len(header), end), list(found)

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

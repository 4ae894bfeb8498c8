"""Landlock, by which a process gives up files, TCP and signals for good: https://docs.kernel.org/userspace-api/landlock.html

A process in a domain of its own reads no other's memory, environment or open files either. Not held by Landlock are
stat, chmod and their like; tasks/sandbox/system_calls.py refuses those that change anything.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every machine."""

_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_NO_NEW_PRIVS: Final = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""Rights that a rule on a single file may give."""

_FILES_BY_VERSION: Final = (0, 13, 14, 15, 15, 16)
"""How many rights to files each version knows; later ones know no more."""
_TCP: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11

READ: Final = _READ_FILE | _READ_DIR
WRITE: Final = READ | _WRITE_FILE | _TRUNCATE | _MAKE_DIR | _MAKE_REG | _REMOVE_DIR | _REMOVE_FILE | _REFER
"""Files and folders alone: no links, pipes, sockets or devices."""
DEVICE: Final = READ | _WRITE_FILE | _IOCTL_DEV


def version() -> int:
    """The version that the kernel offers, 0 where there is none."""
    return max(0, _system_call(_CREATE_RULESET, None, 0, _VERSION))


def restrict(rules: Iterable[tuple[str, int]]) -> None:
    """Give up every file but those below the paths of the rules, which say what may be done there; TCP and signals
    to others, too, where the kernel can. Paths that are not there are passed over. Threads that run keep their rights,
    so there must be none.

    Raises: OSError - the kernel refuses.
    """
    known = version()
    files = (1 << _FILES_BY_VERSION[min(known, len(_FILES_BY_VERSION) - 1)]) - 1
    attributes = struct.pack(
        "=QQQ", files, _TCP if known >= 4 else 0, _ABSTRACT_SOCKETS_AND_SIGNALS if known >= 6 else 0
    )
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = _checked(_CREATE_RULESET, ctypes.create_string_buffer(attributes, 24), size, 0)
    for path, rights in rules:
        _allow(ruleset, path, rights & files)
    give_up_privileges()
    _checked(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def give_up_privileges() -> None:
    """No program that this process starts can have more rights than it has; sandboxes ask for this first."""
    if ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= _OF_FILES
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
    _checked(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    if not path.startswith("/proc/"):  # there a file that nobody holds is made anew, and the rule would not fit it
        os.close(place)


def _checked(number: int, *arguments: object) -> int:
    answer = _system_call(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return answer


def _system_call(number: int, *arguments: object) -> int:
    call = getattr(ctypes.CDLL(None, use_errno=True), "syscall", None)
    if call is None or os.uname().sysname != "Linux":
        return -1
    call.restype = ctypes.c_long
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(call(ctypes.c_long(number), *wide))

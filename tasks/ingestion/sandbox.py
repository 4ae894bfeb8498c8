"""Sandbox of a process that opens foreign media: it reads its inputs, writes its results, and nothing else.

By Landlock (https://docs.kernel.org/userspace-api/landlock.html) it gives up files, TCP and signals for good. A process
in a domain of its own reads no other's memory, environment or open files either. Not held by Landlock are stat, chmod
and their like; tasks/ingestion/seccomp.py refuses those that change anything.
"""

import ctypes
import logging
import os
import re
import stat
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from heterodub.schemas.errors import SandboxError
from heterodub.tasks.ingestion import seccomp
from heterodub.tasks.ingestion.seccomp import give_up_privileges

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every machine."""

_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""Rights that a rule on a single file may give."""

_FILES_BY_VERSION: Final = (0, 13, 14, 15, 15, 16)
"""Number of rights to files that each version knows; later ones know no more."""
_TCP: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11

_READ: Final = _READ_FILE | _READ_DIR
_WRITE: Final = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_DIR | _MAKE_REG | _REMOVE_DIR | _REMOVE_FILE | _REFER
"""Files and folders alone: no links, pipes, sockets or devices."""
_DEVICE: Final = _READ | _WRITE_FILE | _IOCTL_DEV


def landlock_version() -> int:
    """The version that the kernel offers, 0 where there is none."""
    return max(0, _system_call(_CREATE_RULESET, None, 0, _VERSION_FLAG))


def _restrict(rules: Iterable[tuple[str, int]]) -> None:
    """Give up every file but those below the paths of the rules, which say what may be done there; TCP and signals
    to others, too, where the kernel can. Paths that are not there are passed over. Threads that run keep their rights,
    so there must be none.

    Raises: OSError - the kernel refuses.
    """
    version = landlock_version()
    files = (1 << _FILES_BY_VERSION[min(version, len(_FILES_BY_VERSION) - 1)]) - 1
    attributes = struct.pack(
        "=QQQ", files, _TCP if version >= 4 else 0, _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(_CREATE_RULESET, ctypes.create_string_buffer(attributes, 24), size, 0)
    for path, rights in rules:
        _allow(ruleset, path, rights & files)
    give_up_privileges()
    _checked(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


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
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return int(call(ctypes.c_long(number), *wide))


_LOG = logging.getLogger(__name__)

_PASSED_ON: Final = re.compile(
    r"PATH|LANG|LANGUAGE|LC_\w+|TZ|USER|LOGNAME|PYTHON\w+|LD_\w+|VIRTUAL_ENV|CONDA_PREFIX|GLIBC_TUNABLES"
    r"|(OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|NUMEXPR|NUMBA|OPENCV|ARROW|MALLOC|TF|TORCH|PYTORCH|CUDA|CUBLAS|CUDNN|NVIDIA"
    r"|HIP|ROCR|HSA)_\w+"
)
"""Variables that say how libraries work. Whatever else the user has set, secrets among it, no decoder needs."""

_PACKAGES: Final = (
    "",
    "schemas",
    "model",
    "tasks",
    "flows",
)  # in a checkout these are links, and what they lead to counts
_ROOT: Final = Path(__file__).parents[2]

_LIBRARIES: Final = ("/usr", "/lib", "/lib64", "/nix/store", "/gnu/store", "/etc/ld.so.cache", "/etc/localtime")
_KERNEL: Final = (
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom", "/dev/random",
)  # fmt: skip
_ACCELERATORS: Final = ("nvidia*", "dri", "kfd")
_ABOUT_ACCELERATORS: Final = ("/proc/driver", "/proc/devices", "/proc/modules", "/proc/sys", "/sys", "/etc/nvidia")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Files and folders that a process may read, and those that it may also write to, beyond what Python itself needs.
    accelerators: it may use GPUs.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    accelerators: bool = False


def missing() -> tuple[str, ...]:
    """The parts of the sandbox that this machine does not offer, in words."""
    lacking, version = [], landlock_version()
    if version == 0:
        lacking.append("Landlock (Linux 5.13), so files are not held")
    elif version < 6:
        lacking.append(f"Landlock 6 (Linux 6.12, here is {version}), so some ways to other files or processes are open")
    if not seccomp.available():
        lacking.append("a filter of system calls (seccomp, on x86_64 or aarch64), so network and programs are not held")
    return tuple(lacking)


@cache
def warn_of_missing() -> None:
    """Log what this machine does not offer, once in the life of a process."""
    for words in missing():
        _LOG.warning("foreign media are decoded with more rights than need be, for this machine lacks %s", words)


def require(all_of_it: bool) -> None:
    """See that the machine offers what the settings ask for.

    Raises: SandboxError - it does not.
    """
    if all_of_it and (lacking := missing()):
        raise SandboxError(
            f"this machine lacks {'; '.join(lacking)}: use a newer kernel, or leave out [limits] require_sandbox"
        )


def surroundings(environment: Mapping[str, str], place: Path) -> dict[str, str]:
    """The environment of a sandboxed process that keeps its files in `place`."""
    variables = {name: value for name, value in environment.items() if _PASSED_ON.fullmatch(name)}
    return variables | {name: str(place) for name in ("TMPDIR", "HOME", "NUMBA_CACHE_DIR")}


def enter(sandbox: Sandbox) -> None:
    """Give up everything else, for good, as far as the kernel can hold it. Before the first thread is started.

    Raises: SandboxError - threads run already. OSError - the kernel refuses.
    """
    if not sys.platform.startswith("linux"):
        return
    if (threads := len(list(Path("/proc/self/task").iterdir()))) > 1:
        raise SandboxError(f"{threads} threads run before the sandbox is closed")
    if landlock_version():
        _restrict(_rules(sandbox))
    if seccomp.available():
        seccomp.refuse()


def _rules(sandbox: Sandbox) -> Iterator[tuple[str, int]]:
    for path in (*_python(), *_LIBRARIES, *_KERNEL, *sandbox.reads):
        yield path, _READ
    for path in ("/dev/null", "/dev/zero"):
        yield path, _DEVICE
    for path in sandbox.writes:
        yield path, _WRITE
    if sandbox.accelerators:
        for path in _ABOUT_ACCELERATORS:
            yield path, _READ
        for device in (node for name in _ACCELERATORS for node in Path("/dev").glob(name)):
            yield str(device), _DEVICE


def _python() -> Iterator[str]:
    """Folders that hold code. Of a checkout only the packages: workspaces lie beside them."""
    yield from {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    yield from (str(_ROOT / name) for name in _PACKAGES)
    yield from (path for path in sys.path if path and path != "/" and Path(path) != _ROOT.parent)
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))

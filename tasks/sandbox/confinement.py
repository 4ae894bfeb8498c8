"""The sandbox of a process that opens foreign media, and what of it this machine can offer."""

import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from schemas.errors import SandboxError
from tasks.sandbox import landlock, system_calls

_LOG = logging.getLogger(__name__)

_PASSED_ON: Final = re.compile(
    r"PATH|LANG|LANGUAGE|LC_\w+|TZ|USER|LOGNAME|PYTHON\w+|LD_\w+|VIRTUAL_ENV|CONDA_PREFIX|GLIBC_TUNABLES"
    r"|(OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|NUMEXPR|NUMBA|OPENCV|ARROW|MALLOC|TF|TORCH|PYTORCH|CUDA|CUBLAS|CUDNN|NVIDIA"
    r"|HIP|ROCR|HSA)_\w+"
)
"""Variables that say how libraries work. Whatever else the user has set, secrets among it, no decoder needs."""

_PACKAGES: Final = ("schemas", "model", "tasks", "flows")
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
    return tuple(_missing())


def _missing() -> Iterator[str]:
    version = landlock.version()
    if version == 0:
        yield "Landlock (Linux 5.13), so files are not held"
    elif version < 6:
        yield f"Landlock 6 (Linux 6.12, here is {version}), so some ways to other files or processes are not held"
    if not system_calls.available():
        yield "a filter of system calls (seccomp, on x86_64 or aarch64), so neither the network nor programs are held"


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
    kept = {name: value for name, value in environment.items() if _PASSED_ON.fullmatch(name)}
    return kept | {name: str(place) for name in ("TMPDIR", "HOME", "NUMBA_CACHE_DIR")}


def enter(sandbox: Sandbox) -> None:
    """Give up everything else, for good, as far as the kernel can hold it. Before the first thread is started.

    Raises: SandboxError - threads run already. OSError - the kernel refuses.
    """
    if not sys.platform.startswith("linux"):
        return
    if (threads := len(list(Path("/proc/self/task").iterdir()))) > 1:
        raise SandboxError(f"{threads} threads run before the sandbox is closed")
    if landlock.version():
        landlock.restrict(_rules(sandbox))
    if system_calls.available():
        system_calls.refuse()


def _rules(sandbox: Sandbox) -> Iterator[tuple[str, int]]:
    for path in (*_python(), *_LIBRARIES, *_KERNEL, *sandbox.reads):
        yield path, landlock.READ
    for path in ("/dev/null", "/dev/zero"):
        yield path, landlock.DEVICE
    for path in sandbox.writes:
        yield path, landlock.WRITE
    if sandbox.accelerators:
        for path in _ABOUT_ACCELERATORS:
            yield path, landlock.READ
        for device in (one for name in _ACCELERATORS for one in Path("/dev").glob(name)):
            yield str(device), landlock.DEVICE


def _python() -> Iterator[str]:
    """Folders that hold code. Of a checkout only the packages: workspaces lie beside them."""
    yield from {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    yield from (str(_ROOT / name) for name in _PACKAGES)
    yield from (path for path in sys.path if path and path != "/" and Path(path) != _ROOT)
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))

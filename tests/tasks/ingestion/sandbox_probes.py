"""Attacks by a file that has taken over its decoder. Each returns its loot; where it is refused, OSError."""

import ctypes
import errno
import os
import pickle
import socket
import subprocess
import threading
from pathlib import Path

from heterodub.tasks.ingestion import child
from heterodub.tasks.media.paths import opened


def read(path: str) -> int:
    with open(path, "rb") as file:
        return len(file.read())


def read_descriptor(number: int) -> int:
    return len(os.read(number, 100))


def environment() -> str:
    """As the process has it, and as it was started with."""
    return repr(dict(os.environ)) + Path("/proc/self/environ").read_bytes().decode("utf-8", "replace")


def write(path: str) -> int:
    return Path(path).write_text("x")


def truncate(path: str) -> None:
    os.truncate(path, 0)


def make_folder(path: str) -> None:
    os.mkdir(path)


def remove(path: str) -> None:
    os.unlink(path)


def rename(path: str) -> None:
    os.rename(path, path + "-2")


def change_mode(path: str) -> None:
    os.chmod(path, 0o777)


def change_times(path: str) -> None:
    os.utime(path, (0, 0))


def link(path: str, beside: str) -> None:
    os.symlink(path, beside)


def connect(kind: str, address: object) -> None:
    family = socket.AF_UNIX if kind.startswith("unix") else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as end:
        end.connect(
            ("\0" + address) if kind == "unix abstract" else address if family == socket.AF_UNIX else tuple(address)
        )
        end.send(b"x")


def send_from_a_pair(address: str) -> None:
    """A message to a socket with a name, from one that was never opened by itself."""
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, two:
        one.sendto(b"x", address)


def event_loop() -> int:
    import asyncio

    return asyncio.run(asyncio.sleep(0, 7))


def run_program() -> None:
    subprocess.run(["/bin/true"], check=True)


def fork() -> None:
    if (process := os.fork()) == 0:
        os._exit(0)
    os.waitpid(process, 0)


def execute() -> None:
    try:
        os.execv("/no/such/program", ["x"])
    except FileNotFoundError:
        return  # it was looked for


def signal_parent() -> None:
    os.kill(os.getppid(), 0)


def trace_parent() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, os.getppid(), 0, 0) != 0:  # PTRACE_SEIZE, which stops nobody
        raise OSError(ctypes.get_errno(), "ptrace")


def read_parent_memory() -> None:
    with open(f"/proc/{os.getppid()}/mem", "rb") as memory:
        memory.fileno()


def system_call(number: int) -> None:
    """Invalid arguments: only the existence of the call is tested."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, -1, 0, 0, 0, 0) < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
        raise OSError(ctypes.get_errno(), "refused")


def outlive_parent() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(1, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def raise_limit() -> None:
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    except ValueError as error:  # how Python says EPERM
        raise PermissionError(errno.EPERM, str(error)) from error


def threads() -> int:
    collected: list[int] = []
    workers = [threading.Thread(target=collected.append, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(collected)


def own_place() -> int:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_text("four")
        path.rename(path.with_name("b"))
        return len(path.with_name("b").read_text())


def read_handed(path: str) -> list[str]:
    """The same file from two places at once."""
    one, two = opened(Path(path)), opened(Path(path))
    assert one is not None and two is not None
    with one, two:
        return [one.read(2).decode(), two.read().decode(), one.read().decode()]


class _Evil:
    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self):
        return os.mkdir, (self._path,)


def answer(data: str, path: str) -> None:
    """Say to the parent what no child of ours says."""
    (parent,) = child._PARENTS
    match data:
        case "object":
            parent.send(child.ANSWER + pickle.dumps(_Evil(path)))
        case "error":
            parent.send(child.ERROR + pickle.dumps({"words": _Evil(path)}))
        case "news":
            parent.send(child.NEWS + pickle.dumps(_Evil(path)))
        case "another kind":
            parent.send(child.ANSWER + pickle.dumps({"a": "b"}))
        case "noise":
            parent.send(child.ANSWER + b"\x80\x05noise")
        case "endless":
            parent._end.sendall((1 << 62).to_bytes(8, "little"))
    threading.Event().wait()

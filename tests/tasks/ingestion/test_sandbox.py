"""The child that decodes, started as every run starts it, and what it is refused. The same probes succeed in a child
without a sandbox, so that each of them would be noticed if it were let through.
"""

import os
import re
import socket
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError, SandboxError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion import sandbox, seccomp
from heterodub.tasks.ingestion.child_process import ChildProcess
from heterodub.tasks.ingestion.decoder_process import open_files
from heterodub.tasks.ingestion.sandbox import Sandbox
from heterodub.tasks.inspect.check_installation import check_sandbox
from heterodub.tasks.inspect.findings import Health
from tests.tasks.ingestion import sandbox_probes as probes

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "hush-aws",
    "HETERODUB_TRACKING__URI": "https://hush-heterodub",
    "PREFECT_API_KEY": "hush-prefect",
    "MLFLOW_TRACKING_PASSWORD": "hush-mlflow",
    "HTTPS_PROXY": "http://hush-proxy",
    "SSH_AUTH_SOCK": "/hush-ssh",
    "GITHUB_TOKEN": "hush-token",
}
TESTS = Sandbox(reads=(str(Path(__file__).parents[2]),))

FOREIGN = (
    "/etc/passwd",
    "/proc/self/root/etc/passwd",
    "/proc/{parent}/environ",
    "/proc/{parent}/maps",
    "/proc/1/cmdline",
)

needs_landlock = pytest.mark.skipif(sandbox.landlock_version() < 6, reason="the kernel has no Landlock 6")
needs_seccomp = pytest.mark.skipif(not seccomp.available(), reason="the kernel filters no system calls here")


@pytest.fixture(scope="module")
def children():
    """A child in a sandbox, and one without; the environment of both holds secrets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        held, free = ChildProcess(1.0, TESTS), ChildProcess(1.0, None)
        for child in (held, free):
            child.run(probes.threads, time_limit_s=60)
        yield held, free  # those that replace them have secrets around them, too
    held.close()
    free.close()


@pytest.fixture
def outside(tmp_path):
    """A user's file that no decoder needs."""
    path = tmp_path / "database.db"
    path.write_text("rows")
    return path


def attempt(child: ChildProcess, probe, *arguments) -> str:
    try:
        child.run(probe, *arguments, time_limit_s=60)
    except OSError as error:
        return os.strerror(error.errno)
    return "done"


def ends(children, probe, *arguments) -> tuple[bool, str]:
    """Assert that the sandbox refuses the probe and that it succeeds without one."""
    held, free = children
    return attempt(held, probe, *arguments) in ("Permission denied", "Operation not permitted"), attempt(
        free, probe, *arguments
    )


@needs_landlock
@pytest.mark.parametrize("path", FOREIGN)
def test_files_of_the_system_and_of_other_processes_are_not_read(children, path):
    path = path.format(parent=os.getpid())
    assert ends(children, probes.read, path) == (True, "done")


@needs_landlock
@pytest.mark.parametrize(
    "probe",
    [probes.read, probes.write, probes.truncate, probes.change_mode, probes.change_times, probes.rename, probes.remove],
    ids=lambda probe: probe.__name__,
)
def test_files_of_the_user_are_neither_read_nor_changed(children, outside, probe):
    assert ends(children, probe, str(outside)) == (True, "done")


@needs_landlock
def test_files_are_created_only_in_the_own_folder(children, tmp_path):
    assert ends(children, probes.write, str(tmp_path / "new")) == (True, "done")
    assert ends(children, probes.make_folder, str(tmp_path / "folder")) == (True, "done")
    assert ends(children, probes.link, "/etc/passwd", str(tmp_path / "link")) == (True, "done")


@needs_landlock
def test_user_s_home_is_not_read(children, tmp_path):
    with tempfile.NamedTemporaryFile(dir=Path.home()) as credentials:
        assert ends(children, probes.read, credentials.name) == (True, "done")


@needs_seccomp
@pytest.mark.parametrize("kind", ["tcp", "udp", "unix", "unix abstract"])
def test_no_socket_is_opened(children, kind, tmp_path):
    family = socket.AF_UNIX if kind.startswith("unix") else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as listener:
        names = {"unix": os.path.relpath(tmp_path / "socket"), "unix abstract": f"\0heterodub-{os.getpid()}"}
        listener.bind(names.get(kind, ("127.0.0.1", 0)))
        if kind != "udp":
            listener.listen()
        address = listener.getsockname()
        address = address[1:].decode() if isinstance(address, bytes) else address
        assert ends(children, probes.connect, kind, address) == (True, "done")


@needs_seccomp
def test_socketpair_does_not_escape(children, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name := os.path.relpath(tmp_path / "socket"))
        assert ends(children, probes.send_from_a_pair, name) == (True, "done")


@needs_seccomp
@pytest.mark.parametrize(
    "probe",
    [probes.run_program, probes.fork, probes.execute, probes.signal_parent, probes.raise_limit, probes.outlive_parent],
    ids=lambda probe: probe.__name__,
)
def test_no_program_is_run_and_the_parent_is_left_alone(children, probe):
    assert ends(children, probe) == (True, "done")


@needs_seccomp
def test_parent_is_not_traced(children):
    _, free = children
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if os.getuid() or (scope.exists() and scope.read_text().strip() != "0"):
        pytest.skip("who is not root may not trace anyway")
    assert ends(children, probes.read_parent_memory) == (True, "done")
    assert ends(children, probes.trace_parent) == (True, "done")
    free.close()  # it traces this process for as long as it lives


@needs_seccomp
@pytest.mark.parametrize("name", ["keyctl", "add_key", "io_uring_setup", "process_vm_readv", "memfd_create", "shmget"])
def test_parts_of_the_kernel_that_no_decoder_needs_are_out_of_reach(children, name):
    number = seccomp._REFUSED[name][seccomp._MACHINES[os.uname().machine][1]]
    assert ends(children, probes.system_call, number) == (True, "done")


HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", ""),
    "aarch64": ("/usr/include/asm-generic/unistd.h", "(?:3264)?"),
}


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers_of_system_calls_are_the_kernel_s(machine):
    path, more = HEADERS[machine]
    if not Path(path).exists():
        pytest.skip("the kernel's headers are not installed")
    text, column = Path(path).read_text(), seccomp._MACHINES[machine][1]
    numbers = {name: int(number) for name, number in re.findall(rf"#define __NR{more}_(\w+)\s+(\d+)", text)}
    known = {name: columns[column] for name, columns in seccomp._REFUSED.items() if name in numbers}
    assert len(known) > 90
    assert known == {name: numbers[name] for name in known}


def test_child_environment_holds_no_secrets(children):
    held, free = children
    assert "hush" not in held.run(probes.environment, time_limit_s=60)
    said = free.run(probes.environment, time_limit_s=60)
    assert all(said.count(value) == 2 for value in SECRETS.values())


def test_open_files_of_the_parent_are_not_inherited(children, outside):
    with outside.open("rb") as file:
        os.set_inheritable(file.fileno(), True)
        with closing(ChildProcess(1.0, TESTS)) as child, pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
            assert attempt(child, probes.read_descriptor, file.fileno()) == "Bad file descriptor"


def test_working_folder_is_not_imported(tmp_path, monkeypatch):
    """The working folder may be a folder of footage."""
    (tmp_path / "pickle.py").write_text("open('imported', 'w')\n")
    (tmp_path / "numpy.py").write_text("open('imported', 'w')\n")
    monkeypatch.chdir(tmp_path)
    for confined in (Sandbox(), None):
        with closing(ChildProcess(1.0, confined)) as child:
            assert child.run(os.getpid, time_limit_s=60) != os.getpid()
    assert not (tmp_path / "imported").exists()


def test_decoding_works_in_the_sandbox(children):
    held, _ = children
    assert held.run(probes.threads, time_limit_s=60) == 4
    assert held.run(probes.own_place, time_limit_s=60) == 4
    assert held.run(probes.event_loop, time_limit_s=60) == 7


@needs_landlock
def test_file_is_read_that_was_handed_over_and_no_longer_than_the_call(children, outside):
    held, _ = children
    with closing(open_files([str(outside)])) as files:
        result = held.run(probes.read_handed, str(outside), time_limit_s=60, files=files)
    assert result == ["ro", "rows", "ws"]
    assert attempt(held, probes.read, str(outside)) == "Permission denied"
    with pytest.raises(RuntimeError, match="AssertionError"):
        held.run(probes.read_handed, str(outside), time_limit_s=60)


@pytest.mark.parametrize("data", ["object", "error", "news", "another kind", "noise", "endless"])
def test_invalid_answer_executes_nothing_and_ends_the_child(children, data, tmp_path):
    held, _ = children
    trap = tmp_path / "made"
    before = held.run(os.getpid, time_limit_s=60)
    with pytest.raises(MediaRefusedError) as refused:
        held.run(probes.answer, data, str(trap), time_limit_s=60, returns=int, on_message=lambda news: None)
    assert refused.value.reason is FileReason.DECODER_CRASHED
    assert not trap.exists()
    assert held.run(os.getpid, time_limit_s=60) != before


def test_missing_kernel_features_are_reported_or_required(monkeypatch):
    monkeypatch.setattr(sandbox, "landlock_version", lambda: 3)
    monkeypatch.setattr(seccomp, "available", lambda: False)
    assert [words.split(",")[0] for words in sandbox.missing()] == [
        "Landlock 6 (Linux 6.12",
        "a filter of system calls (seccomp",
    ]
    sandbox.require(False)
    with pytest.raises(SandboxError, match="require_sandbox"):
        sandbox.require(True)


@needs_landlock
@needs_seccomp
def test_sandbox_is_complete_on_this_machine():
    assert sandbox.missing() == ()
    sandbox.require(True)


def test_doctor_reports_missing_sandbox_features(monkeypatch):
    monkeypatch.setattr(seccomp, "available", lambda: False)
    findings = check_sandbox(Settings())
    assert (findings.health, "seccomp" in findings.detail) == (Health.WARNING, True)
    assert check_sandbox(Settings(limits={"require_sandbox": True})).health is Health.PROBLEM

"""Work on one file in a child process, so that a decoder that crashes, hangs or eats memory costs that file only.

The child is kept between files: starting one and loading its models takes seconds. It dies with its parent, and is
replaced after it was killed. Not multiprocessing's Process: Dask's workers are daemons, which may have no such child.
"""

import contextlib
import os
import pickle
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from heterodub.schemas.errors import HeterodubError, MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion.child import ERROR, NEWS, OUT_OF_MEMORY_EXIT, OpenFiles, says_no_memory
from heterodub.tasks.ingestion.messages import MOST_FILES, MessageChannel, error_of, unpacked
from heterodub.tasks.ingestion.sandbox import Sandbox, surroundings
from heterodub.tasks.ingestion.scratch import Scratch, sweep
from heterodub.tasks.monitoring.stopping import at_stop, forget

_LAST_WORDS = 300
"""Characters of a dead child's stderr that are kept as the cause."""

_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGHUP})
"""Signals that no decoder sends itself: an operator, a service manager, or a kernel short of memory did."""

Work = Callable[..., Any]

OnMessage = Callable[[Any], float | None]
"""Takes news; returns the seconds that the work may take from here on, None for as many as before."""

_LONGEST_WAIT_S: Final = 7 * 24 * 3600.0
"""The kernel counts a wait in 31 bits of milliseconds, and limits follow from sizes that files and stores claim."""

_MESSAGE_S: Final = 60.0
"""Seconds that the rest of a message may take once it has begun: far longer than any that is sent in good faith."""

_START: Final = (
    "import sys; sys.path[:0] = {sys.argv[1]}.difference(sys.path);"
    "from heterodub.tasks.ingestion.child import main; main()"
)
"""Not `-m`: that would import what lies in the folder one stands in, footage of strangers perhaps."""
_ROOT: Final = str(Path(__file__).parents[3])


class KilledFromOutsideError(MediaRefusedError):
    """Error of a child that was killed while it worked on a file, which may not be the cause: worth another attempt."""


class AbandonedError(HeterodubError):
    """Error of work whose result nobody waits for any more: its child was killed."""


_RUNNING: Final[dict[int, "ChildProcess"]] = {}
"""Children at work, by the thread that waits for them."""


def abandon(thread: int) -> None:
    """Kill the child for which a thread waits, if it waits for one; the thread raises AbandonedError."""
    if (child := _RUNNING.get(thread)) is not None:
        child.abandon()


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function by "module:name", imported where it is called and not where it is named."""

    target: str

    def __call__(self, *arguments: Any) -> Any:
        """Call the function.

        Raises: what it raises; ImportError, AttributeError - there is none of that name.
        """
        return pkgutil.resolve_name(self.target)(*arguments)


_NOTHING_BESIDES: Final = Sandbox()


class ChildProcess:
    """A child process that runs one call at a time. Not to be shared between threads.

    memory_limit_gib bounds what the child may allocate: the kernel then refuses it memory, not the machine.
    variables: of the child's environment, where they differ from this process's. sandbox: what it may read and write;
    None: whatever this process may, for work that opens no foreign media, such as fetching them.
    """

    def __init__(
        self,
        memory_limit_gib: float,
        sandbox: Sandbox | None = _NOTHING_BESIDES,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._memory_limit_gib = memory_limit_gib
        self._sandbox = sandbox
        self._variables = dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: MessageChannel | None = None
        self._stderr: IO[bytes] | None = None
        self._unanswered = 0
        self._is_abandoned = False
        self._place: Scratch | None = None

    def prepare(self, work: Work, *arguments: Any) -> None:
        """Start the child if there is none, and have it call work(*arguments), without waiting. What comes of that is
        dropped: loading models may fail here, and fails again where it matters.
        """
        if self._process is None:
            with contextlib.suppress(OSError):  # a child that is dead already is replaced by the next call
                self._ready().send(pickle.dumps((work, arguments, {})))
                self._unanswered += 1

    def run(
        self,
        work: Work,
        *arguments: Any,
        time_limit_s: float,
        returns: Any = Any,
        on_message: OnMessage | None = None,
        message_type: Any = Any,
        files: OpenFiles | None = None,
    ) -> Any:
        """Call work(*arguments) in the child and return what it returns, which must be of the kind `returns`, as
        annotations name it. files: media that the work may open, though the child may not; see `handed`.

        on_message: takes what the work says by `announce` meanwhile, each of the kind `message_type`; each time, the
        time begins anew, with the seconds that `on_message` returns, if any, in the place of those before.

        Raises: MediaRefusedError - the work refused the file, or the child crashed, ran out of time or of memory, or
        gave an answer of another kind; AbandonedError - see `abandon`; any other exception of the work is raised here
        as it was there.
        """
        channel, open_files = self._ready(), files or OpenFiles()
        self._is_abandoned = False
        _RUNNING[threading.get_ident()] = self
        try:
            channel.send(pickle.dumps((work, arguments, open_files.counts)), open_files.handles)
            while self._unanswered:
                self._answer(channel, time_limit_s)
                self._unanswered -= 1
            failed, data, handles = self._answer(
                channel, time_limit_s, on_message, message_type, MOST_FILES * (returns is OpenFiles)
            )
        except (EOFError, BrokenPipeError, ConnectionResetError):
            if self._is_abandoned:
                self.close()
                raise AbandonedError("nobody waits for it any more") from None
            raise self._autopsy() from None
        except BaseException:  # of on_message, or Ctrl-C: what the child says next would be taken for another answer
            self.close()
            raise
        finally:
            del _RUNNING[threading.get_ident()]
        if failed:
            raise error_of(self._read(data, dict[str, Any]))
        if returns is OpenFiles:
            return OpenFiles.of(self._read(data, dict[str, tuple[str | None, int]]), handles)
        return self._read(data, returns)

    def abandon(self) -> None:
        """Kill the child from another thread than that which waits for it."""
        self._is_abandoned = True
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """Kill the child, if there is one."""
        forget(self.close)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for end in (self._channel, self._stderr):
            if end is not None:
                end.close()
        if self._place is not None:
            self._place.close()
        self._process = self._channel = self._stderr = self._place = None
        self._unanswered = 0

    def _answer(
        self,
        channel: MessageChannel,
        time_limit_s: float,
        on_message: OnMessage | None = None,
        message_type: Any = Any,
        files: int = 0,
    ) -> tuple[bool, bytes, list[int]]:
        while channel.waits(min(time_limit_s, _LONGEST_WAIT_S)):
            try:
                message, handles = channel.receive(_MESSAGE_S, files)
            except TimeoutError:
                break
            except ValueError as error:
                raise self._taken_over(error) from error
            kind, data = message[:1], message[1:]
            if kind != NEWS:
                return kind == ERROR, data, handles
            if on_message is not None and (limit_s := on_message(self._read(data, message_type))) is not None:
                time_limit_s = limit_s
        self.close()
        raise MediaRefusedError(FileReason.TIMED_OUT, f"longer than {time_limit_s:.0f} s")

    def _read(self, data: bytes, kind: Any) -> Any:
        """Read the child's answer. A child that answers with anything else than it should is compromised, and is ended.

        Raises: MediaRefusedError - it does.
        """
        try:
            return unpacked(data, kind)
        except ValueError as error:
            raise self._taken_over(error) from error

    def _taken_over(self, error: ValueError) -> MediaRefusedError:
        self.close()
        return MediaRefusedError(FileReason.DECODER_CRASHED, str(error)[:_LAST_WORDS])

    def _ready(self) -> MessageChannel:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._channel is None:
            ours, theirs = socket.socketpair()
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
            # a child that is killed cannot clear up its copies and spools, so they lie where we can
            sweep()
            self._place = Scratch()
            numbers = (str(theirs.fileno()), str(self._memory_limit_gib))
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, _ROOT, *numbers],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._stderr,
                stderr=self._stderr,
                env=self._surroundings(self._place.path),
            )
            theirs.close()
            self._channel = MessageChannel(ours)
            at_stop(self.close)
            self._channel.send(pickle.dumps(self._confined(self._place.path)))
        return self._channel

    def _confined(self, place: Path) -> Sandbox | None:
        return self._sandbox and replace(self._sandbox, writes=(*self._sandbox.writes, str(place)))

    def _surroundings(self, place: Path) -> dict[str, str]:
        """The child's environment."""
        environment = dict(os.environ) if self._sandbox is None else surroundings(os.environ, place)
        return environment | _ALLOCATOR | {"TMPDIR": str(place)} | self._variables

    def _autopsy(self) -> MediaRefusedError:
        code: int | None = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(5)
        words = self._last_words()
        self.close()
        if code == OUT_OF_MEMORY_EXIT or says_no_memory(words):
            return MediaRefusedError(FileReason.OUT_OF_MEMORY, f"needs more than {self._memory_limit_gib:g} GiB")
        if code == -signal.SIGKILL:
            return KilledFromOutsideError(FileReason.OUT_OF_MEMORY, "killed, as a machine out of memory does")
        name = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        if code is not None and -code in _FROM_OUTSIDE:
            return KilledFromOutsideError(FileReason.DECODER_CRASHED, name)
        return MediaRefusedError(FileReason.DECODER_CRASHED, f"{name} {words}".strip())

    def _last_words(self) -> str:
        if self._stderr is None:
            return ""
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace").strip()[-_LAST_WORDS:]


_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(64 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(4 * 2**20)}
"""Settings by which glibc gives memory back. Dask's nanny has it done after each 64 KiB, which cost the child
8 to 20 % of its time, in page faults; left to itself, its heap grew to 1.2 GiB over 19 min of 1080p.
So only large pictures go back at once.
"""

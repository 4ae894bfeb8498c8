"""Opens media for a child that may open nothing itself. Runs in a child of its own: a file that lies on a machine that
is gone is waited for there, and what is fetched is fetched with the rights that the other child has not.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion.child import OpenFiles
from heterodub.tasks.ingestion.child_process import ChildProcess, FunctionName
from heterodub.tasks.ingestion.sandbox import Sandbox, require, warn_of_missing
from heterodub.tasks.media.paths import TIMES, local_path, localise, open_regular, path_to_uri, unreadable

OPEN: Final = FunctionName("heterodub.tasks.ingestion.decoder_process:open_files")


def open_files(names: Sequence[str], lenient: bool = False, origins: Sequence[str] = ()) -> OpenFiles:
    """Files by their paths or addresses, each opened paths.TIMES times; those on other machines are copied first.
    lenient: local files that cannot be opened are left out, for who works on them to find out why.
    origins: see open_store.

    Raises: MediaRefusedError - DISK_FULL, VANISHED, UNREADABLE, NOT_A_REGULAR_FILE, CHANGED.
    """
    handed = OpenFiles()
    try:
        for name in names:
            uri = name if "://" in name or name.startswith("/") else path_to_uri(Path(name))
            is_local = local_path(uri) is not None
            with ExitStack() as opened:
                if lenient and is_local:
                    opened.enter_context(suppress(MediaRefusedError))
                folder = opened.enter_context(tempfile.TemporaryDirectory())
                path = opened.enter_context(localise(uri, Path(folder), origins))
                handed[uri] = (str(path) if is_local else None, open_times(path))
    except MediaRefusedError:
        handed.close()
        raise
    return handed


def open_times(path: Path) -> list[int]:
    """Open a file paths.TIMES times.

    Raises: MediaRefusedError - VANISHED, UNREADABLE, NOT_A_REGULAR_FILE, CHANGED.
    """
    handles: list[int] = []
    try:
        for _ in range(TIMES):
            with open_regular(path) as file:
                handles.append(os.dup(file.fileno()))
            if not os.path.sameopenfile(handles[0], handles[-1]):
                raise MediaRefusedError(FileReason.CHANGED)
    except (OSError, MediaRefusedError) as error:
        for handle in handles:
            os.close(handle)
        raise unreadable(error) if isinstance(error, OSError) else error from error
    return handles


def handed_to_write(paths: Iterable[Path]) -> OpenFiles:
    """Files of this process's own, opened for a child to write.

    Raises: OSError - one cannot be written.
    """
    handed = OpenFiles()
    for path in paths:
        handed[str(path)] = (str(path), [os.open(path, os.O_WRONLY | os.O_CLOEXEC)])
    return handed


class Decoder:
    """A child in a sandbox that works on media, and one outside that opens them for it. Not to be shared between
    threads. sandbox, variables: as those of ChildProcess.

    Raises: SandboxError - the limits ask for more than this machine offers.
    """

    def __init__(
        self, limits: LimitSettings, sandbox: Sandbox | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        require(limits.require_sandbox)
        warn_of_missing()
        self._child = ChildProcess(limits.memory_limit_gib, sandbox or Sandbox(), variables)
        self._reader = ChildProcess(limits.memory_limit_gib, None)
        self._origins = limits.web_origins

    def run(
        self,
        work: Any,
        *arguments: Any,
        media: Sequence[str] = (),
        lenient: bool = False,
        time_limit_s: float,
        **more: Any,
    ) -> Any:
        """Call work(*arguments) in the sandbox, where it may open `media`; see open_files and ChildProcess.run.

        Raises: as they do.
        """
        if not media:
            return self._child.run(work, *arguments, time_limit_s=time_limit_s, **more)
        opened = self._reader.run(
            OPEN, list(media), lenient, self._origins, time_limit_s=time_limit_s, returns=OpenFiles
        )
        with closing(opened):
            return self._child.run(work, *arguments, time_limit_s=time_limit_s, files=opened, **more)

    def close(self) -> None:
        """Kill both children."""
        self._child.close()
        self._reader.close()

"""The sound of the film that is dubbed, which a dubbing can do without."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.speech import SpeechSource


@dataclass(frozen=True, slots=True, eq=False)
class OwnSound:
    """A film's sound; None where it has none that decodes, for the cause in `missing`."""

    source: SpeechSource | None
    missing: str = ""


@contextmanager
def own_sound(film: Path, limits: LimitSettings, scratch: Path) -> Iterator[OwnSound]:
    """Open a film's own sound, decoded into `scratch`.

    Raises: MediaRefusedError - DISK_FULL.
    """
    try:
        source = SpeechSource.open(film, limits, scratch)
    except MediaRefusedError as error:
        if error.reason is FileReason.DISK_FULL:
            raise
        yield OwnSound(None, error.detail or str(error))
        return
    with source:
        yield OwnSound(source)

"""Results of dubbing jobs. Imports no decoder, so that processes which only start jobs stay light."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from schemas.config.dubbing import DubJob
from schemas.errors import MediaRefusedError, SourceError
from schemas.reasons import EXPLANATIONS, ClipReason, FileReason

OF_SPEECH: Final[Mapping[FileReason | ClipReason, str]] = EXPLANATIONS | {
    FileReason.NOT_MEDIA: "neither a sound file nor a video with sound",
    FileReason.STILL_PICTURE: "a still picture, which has no sound",
    FileReason.NO_DECODABLE_FRAME: "none of its sound decodes",
}
"""Explanations of a refusal where sound is wanted."""


@dataclass(frozen=True, slots=True)
class Dubbed:
    """Result of a dubbing. covered: frames left as they are since something lies over the mouth; also passed through.
    seconds_by: seconds by kernel. speech_cut_s: seconds of speech that did not fit at the end. notes: remarks for
    people.
    """

    out: str
    frames: int
    dubbed: int
    seconds: float
    took_s: float
    seconds_by: dict[str, float]
    generator: str
    translator: str
    covered: int = 0
    speech_cut_s: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def passed_through(self) -> int:
        """Frames of the output that are the source's own."""
        return self.frames - self.dubbed

    def summary(self) -> dict[str, Any]:
        """Return a dictionary ready for JSON."""
        return {
            "out": self.out,
            "frames": self.frames,
            "dubbed": self.dubbed,
            "passed_through": self.passed_through,
            "covered": self.covered,
            "seconds": round(self.seconds, 3),
            "took_s": round(self.took_s, 3),
            "realtime_factor": round(self.seconds / self.took_s, 3),
            "seconds_by": {kernel: round(spent, 3) for kernel, spent in self.seconds_by.items()},
            "generator": self.generator,
            "translator": self.translator,
            "speech_cut_s": round(self.speech_cut_s, 3),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class DubResult:
    """Outcome of a job: what was dubbed, or why nothing was."""

    job: DubJob
    dubbed: Dubbed | None
    error: str | None

    def summary(self) -> dict[str, Any]:
        """Return a dictionary ready for JSON."""
        result = {} if self.dubbed is None else self.dubbed.summary()
        return {"video": self.job.video, "speech": self.job.speech, "out": self.job.out, "error": self.error} | result


@contextmanager
def readable(named: str, explanations: Mapping[FileReason | ClipReason, str] = EXPLANATIONS) -> Iterator[None]:
    """Turn the refusal of a file into an error of the run.

    Raises: SourceError - in the place of MediaRefusedError.
    """
    try:
        yield
    except MediaRefusedError as error:
        explanation = explanations.get(error.reason, str(error.reason))
        raise SourceError(f"{named}: {explanation}" + (f" ({error.detail})" if error.detail else "")) from error

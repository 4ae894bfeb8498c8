"""How a job of dubbing ends. Light: who starts jobs and waits for them loads no decoder for it."""

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
"""What a refusal means where sound is wanted."""


@dataclass(frozen=True, slots=True)
class Dubbed:
    """What came out. covered: frames left as they are since something lies over the mouth; passed through, like others.
    seconds_by: where the time went, by kernel. speech_cut_s: seconds of speech that found no room at
    the end. notes: what a person should know.
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
        """Ready for JSON."""
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
    """How a job ended: what was dubbed, or why nothing was."""

    job: DubJob
    dubbed: Dubbed | None
    error: str | None

    def summary(self) -> dict[str, Any]:
        """Ready for JSON."""
        told = {} if self.dubbed is None else self.dubbed.summary()
        return {"video": self.job.video, "speech": self.job.speech, "out": self.job.out, "error": self.error} | told


@contextmanager
def readable(named: str, explanations: Mapping[FileReason | ClipReason, str] = EXPLANATIONS) -> Iterator[None]:
    """Turn what is wrong with a file into an error of the run.

    Raises: SourceError - in the place of MediaRefusedError.
    """
    try:
        yield
    except MediaRefusedError as error:
        said = explanations.get(error.reason, str(error.reason))
        raise SourceError(f"{named}: {said}" + (f" ({error.detail})" if error.detail else "")) from error

"""Settings of dubbing, and the record of one job."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from .choices import KeptSound, Length, OnFail, Preserve
from .sections import Address, Section

OUTPUT_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""ffmpeg's muxer by the end of an output's name, in any case: those that take H.264 and AAC with colours, pixel aspect,
rotation and comment (tests/tasks/dubbing/test_containers.py)."""

SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for pictures of which a part was made by a trained model; in the metadata of every dubbing."""

LANDMARK_WARP = "warp"
"""Name of the untrained translator: the reference frames' mouths, moved by the landmarks."""

BUILTIN = "builtin"
"""Name of the models that ship in the package (tasks/builtin), one of each kind."""

NEWEST = "newest"
"""Name of the newest registered version, for whoever has not promoted one yet; a fine-tuned one never is."""


class DubSettings(Section):
    """Settings of dubbing that hold for every video."""

    references: int = Field(8, ge=1, le=64, description="reference frames of a face whose lips stage 1 is shown")
    appearance_frames: int = Field(
        64, ge=1, le=512, description="reference frames of a face whose pictures stage 2 is shown"
    )
    chunk_frames: int = Field(16, ge=1, le=512, description="frames translated at once; changes memory, not pictures")
    section_frames: int = Field(
        1500,
        ge=8,
        description="frames of an output after which encoder and measures begin anew; workers share sections",
    )
    steady_s: float = Field(0.04, ge=0, le=0.5, description="sigma of the low-pass on measured landmarks, seconds")
    placed_s: float = Field(
        0.4, ge=0, le=5, description="sigma of the low-pass on where the source's mouth lies, seconds; long as a word"
    )
    fade_frames: int = Field(3, ge=0, le=25, description="frames over which the dubbing fades where a face is lost")
    least_tracked_frames: int = Field(5, ge=1, description="a face seen in fewer frames of a shot is left alone")
    max_yaw_deg: float = Field(50.0, gt=0, le=90, description="heads turned further pass through, as the mesh guesses")
    warp_px: int = Field(256, ge=32, le=1024, multiple_of=16, description="side of the crops the untrained warp gets")
    crf: float = Field(18.0, ge=0, le=51, description="x264's constant quality; lower is better and larger")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = Field(
        "veryfast", description="x264's speed"
    )
    silence_s: float = Field(
        600, gt=0, description="seconds without a further frame or step after which a job is given up"
    )
    workers: int = Field(
        1,
        ge=1,
        description="local Dask workers for jobs of a manifest or pieces of a long film; or run.dask: a cluster",
    )
    kept_film_mib: float = Field(
        64, ge=0, description="films up to this size are kept in MLflow with the run of a dubbing flow; 0: none"
    )
    measure: bool = Field(True, description="measure every finished file, and hold it against the acceptance policy")
    accept: Path | None = Field(None, description="acceptance policy file; without one, the default policy")
    on_fail: OnFail = Field(
        "keep",
        description="a dub with shots that fail is kept and named, keeps the source's picture in them, or is refused",
    )
    sound_kbps: int = Field(96, ge=16, le=320, description="AAC rate of each sound channel, kbit/s")


FaceChoice = Annotated[int, Field(ge=1, le=16)] | Literal["speaking"]
"""The face that the video's own sound belongs to, or a place among the faces of a shot by size; 1 is the largest."""
FinetuneSeconds = Annotated[float, Field(ge=0.5, le=60)]
"""Seconds of a video's own face that the translator learns from first."""


PersonName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^=;\s]+$")]
"""Name of a person of a cut list."""


def _pairs(value: object) -> object:
    """Read `NAME=VALUE;NAME=VALUE`, as a manifest's cell has it, or a list of `NAME=VALUE`."""
    texts = value.split(";") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        return value
    parts = [str(text).partition("=") for text in texts]
    pairs = [(name.strip(), given.strip()) for name, _, given in parts]
    if bad := [text for text, (name, given) in zip(texts, pairs, strict=True) if not (name and given)]:
        raise ValueError(f"{bad[0]!r} is not NAME=VALUE")
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)


class DubJob(Section):
    """One video to dub. Paths, or URIs for what is read."""

    video: Address = Field(min_length=1, description="the picture")
    speech: Address | None = Field(
        None, min_length=1, description="sound file, or video whose sound it is; none where turns name who speaks when"
    )
    turns: Address | None = Field(
        None, min_length=1, description="cut list, CSV or RTTM: who speaks when, on the film's clock"
    )
    speeches: Annotated[dict[PersonName, Address], BeforeValidator(_pairs)] = Field(
        default_factory=dict, description="of turns: NAME=FILE;..., the speech of a person, on the film's clock"
    )
    people: Annotated[dict[PersonName, Address], BeforeValidator(_pairs)] = Field(
        default_factory=dict,
        description="of turns: NAME=PLACE;..., left, right, 1 for the largest face, x,y in shares of the picture's "
        "width and height, or a picture of the person",
    )
    keep_sound: KeptSound = Field("outside", description="of turns: what stays of the film's own sound")
    out: Address = Field(
        min_length=1, description="video to write; an earlier dubbing there is replaced once the new one is whole"
    )
    face: FaceChoice = Field(
        "speaking",
        description="speaking: the face that the video's own sound belongs to; 1: the largest of each shot, 2: ...",
    )
    length: Length = Field("picture", description="how long the output is")
    preserve: Preserve = Field("off", description="how the picture is written where nothing is painted")
    appearance_from: Address | None = Field(None, description="video or picture whose face lends its looks")
    finetune: FinetuneSeconds | None = Field(
        None, description="seconds of the video's own face that the translator learns from first"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        """Refuse a speech together with turns, and what goes with one of them alone."""
        if (self.speech is None) == (self.turns is None):
            raise ValueError("name either a speech, or turns with the speeches of people")
        if self.preserve != "off" and self.length != "picture":
            raise ValueError("preserve goes with length picture alone")
        if self.turns is None and (self.speeches or self.people):
            raise ValueError("speeches and people go with turns, which say who speaks when")
        alone = {"length": self.length != "picture", "face": self.face != "speaking"}
        alone |= {"finetune": self.finetune is not None, "appearance_from": self.appearance_from is not None}
        if self.turns is not None and (given := [name for name, is_given in alone.items() if is_given]):
            raise ValueError(f"{' and '.join(given)} cannot be given together with turns")
        return self

    @model_validator(mode="after")
    def _one_face(self) -> Self:
        """Refuse fine-tuning together with a lent face: that would learn a face which is not shown."""
        if self.finetune is not None and self.appearance_from is not None:
            raise ValueError("finetune learns the video's own face, appearance_from shows another: leave one out")
        return self

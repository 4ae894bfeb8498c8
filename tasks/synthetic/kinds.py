"""List of the sample's files: kind, expected outcome, and recipe of each."""

from dataclasses import dataclass
from typing import Final, Literal

from heterodub.schemas.reasons import ClipReason, FileReason, FileState

from .film import Look, SoundKind, blurred, grey, on_its_side, tiny

Picture = Literal["talking", "still", "two_at_once", "cut_together", "scenery"]
Aftermath = Literal["nothing", "cut_off", "turn_display"]
Other = Literal["text", "empty", "playlist", "picture", "sound_only", "copy"]


@dataclass(frozen=True, slots=True)
class Shoot:
    """Recipe of a video: who is seen, whose voice is heard (by default theirs), and its damage afterwards."""

    who: tuple[str, ...]
    picture: Picture = "talking"
    voice: str | None = None
    heard: SoundKind = "speech"
    looks: tuple[Look, ...] = ()
    container: str = "mp4"
    fps: int = 25
    size: tuple[int, int] | None = None
    phrases: int = 2
    keep_frames: int | None = None
    irregular: bool = False
    gif: bool = False
    aftermath: Aftermath = "nothing"


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file of the sample and its expected outcome. `reasons`: codes of the refusal; `of`: the copied file."""

    file: str
    kind: str
    speaker: str | None
    stage1: bool
    stage2: bool
    why: str
    recipe: Shoot | Other
    state: FileState = FileState.MEASURED
    reasons: tuple[FileReason | ClipReason, ...] = ()
    of: str = ""


def _both(file: str, kind: str, why: str, recipe: Shoot, speaker: str | None = "") -> SampleFile:
    return SampleFile(file, kind, recipe.who[0] if speaker == "" else speaker, True, True, why, recipe)


def _first(file: str, kind: str, why: str, recipe: Shoot, *reasons: ClipReason) -> SampleFile:
    return SampleFile(file, kind, recipe.who[0], True, False, why, recipe, reasons=reasons)


def _second(file: str, kind: str, why: str, recipe: Shoot, *reasons: ClipReason) -> SampleFile:
    return SampleFile(file, kind, recipe.who[0], False, True, why, recipe, reasons=reasons)


def _refused(
    file: str, kind: str, reason: FileReason, why: str, recipe: Shoot | Other, speaker: str | None = None
) -> SampleFile:
    return SampleFile(file, kind, speaker, False, False, why, recipe, FileState.REJECTED, (reason,))


_CLEAN: Final = "large sharp coloured face, clean speech of its own"

ROWS: Final[tuple[SampleFile, ...]] = (
    _both("ada-clean.mp4", "clean", _CLEAN, Shoot(("ada",))),
    _both("blair-clean.mp4", "clean", _CLEAN, Shoot(("blair",))),
    _both("chidi-clean.mp4", "clean", _CLEAN, Shoot(("chidi",))),
    _both("farah-clean.mp4", "clean", _CLEAN, Shoot(("farah",))),
    _both("eli-clean.mov", "container_mov", _CLEAN, Shoot(("eli",), container="mov")),
    _both("blair-clean.mkv", "container_mkv", _CLEAN, Shoot(("blair",), container="mkv")),
    _both("hana-clean.webm", "container_webm_vp8", _CLEAN, Shoot(("hana",), container="webm")),
    _both("chidi-clean.webm", "container_webm_vp9", _CLEAN, Shoot(("chidi",), container="webm_vp9")),
    _both("gale-clean.avi", "container_avi", _CLEAN, Shoot(("gale",), container="avi")),
    _both("ada-clean.mpg", "container_mpeg1", _CLEAN, Shoot(("ada",), container="mpg1")),
    _both("dora-clean.mpg", "container_mpeg2", _CLEAN, Shoot(("dora",), container="mpg")),
    _both(
        'gale-it\'s "so" \N{GRINNING FACE}\nfinal (1).mp4', "odd_name", "clean; only the name is odd", Shoot(("gale",)),
    ),
    _both(
        "farah-phone.mp4", "variable_frame_rate", "30 fps with frames missing, as phones record",
        Shoot(("farah",), fps=30, irregular=True),
    ),
    _both(
        "hana-upright.mp4", "rotated", "stored on its side with the note to turn it",
        Shoot(("hana",), looks=(on_its_side,), aftermath="turn_display"),
    ),
    _both(
        "interview.mp4", "several_shots", "ada, then scenery, then eli: a clip from each person's shot",
        Shoot(("ada", "eli"), "cut_together"), speaker=None,
    ),
    _both(
        "blair-broken-off.mp4", "cut_index_in_front", "the download broke off; what arrived decodes",
        Shoot(("blair",), container="mp4_front", phrases=3, aftermath="cut_off"),
    ),
    _first(
        "ada-old-webcam.mp4", "blurred_and_grey", "landmarks and speech are fine; no detail, no colour",
        Shoot(("ada",), looks=(blurred, grey)), ClipReason.BLURRED, ClipReason.GREY,
    ),
    _first(
        "eli-newsreel.mp4", "grey", "sharp, but black and white", Shoot(("eli",), looks=(grey,)), ClipReason.GREY,
    ),
    _first(
        "farah-out-of-focus.mp4", "blurred", "in colour, but out of focus",
        Shoot(("farah",), looks=(blurred,)), ClipReason.BLURRED,
    ),
    _first(
        "chidi-far-away.mp4", "tiny", "a face of some 70 pixels",
        Shoot(("chidi",), size=(480, 400), looks=(tiny,)), ClipReason.FACE_TOO_SMALL,
    ),
    _second(
        "dora-music-video.mp4", "music", "music louder than the words",
        Shoot(("dora",), heard="music"), ClipReason.BACKGROUND_SOUND,
    ),
    _second(
        "blair-street.mp4", "noise", "noise as loud as the words", Shoot(("blair",), heard="noise"), ClipReason.NOISY,
    ),
    _second("gale-silent.mp4", "no_sound", "no sound stream", Shoot(("gale",), heard="nothing"), ClipReason.NO_SOUND),
    _second(
        "hana-reaction.gif", "gif", "an animated picture, 12.5 frames a second",
        Shoot(("hana",), heard="nothing", gif=True), ClipReason.NO_SOUND,
    ),
    _second(
        "chidi-half-a-second-late.mp4", "late_sound", "the sound comes half a second after the lips",
        Shoot(("chidi",), heard="late"), ClipReason.OUT_OF_SYNC,
    ),
    _second(
        "dora-dubbed.mp4", "other_voice", "the lips say something else than is heard",
        Shoot(("dora",), voice="eli"), ClipReason.LOW_AV_SYNC,
    ),
    SampleFile(
        "two_at_once.mp4", "two_faces", None, False, True, "ada speaks, gale listens, both large on screen",
        Shoot(("ada", "gale"), "two_at_once"), reasons=(ClipReason.SEVERAL_FACES,),
    ),
    SampleFile(
        "eli-voice-over.mp4", "voice_over", "eli", False, False, "a still picture while somebody talks",
        Shoot(("eli",), "still"), reasons=(ClipReason.MOUTH_FROZEN, ClipReason.PICTURE_FROZEN),
    ),
    _refused(
        "holiday.mp4", "no_face", FileReason.NO_FACE, "scenery under words", Shoot(("hana",), "scenery"),
    ),
    _refused(
        "gale-index-lost.mp4", "cut_index_at_end", FileReason.NO_DECODABLE_FRAME,
        "the download broke off before the index, so nothing decodes", Shoot(("gale",), aftermath="cut_off"), "gale",
    ),
    _refused(
        "dora-blink.mp4", "too_short", FileReason.TOO_SHORT, "less than half a second",
        Shoot(("dora",), keep_frames=11), "dora",
    ),
    _refused("ada-radio.m4a", "no_picture", FileReason.NO_VIDEO_STREAM, "sound alone", "sound_only", "ada"),
    _refused("notes.mp4", "text", FileReason.NOT_MEDIA, "a text with the name of a film", "text"),
    _refused("upload_failed.mp4", "empty", FileReason.EMPTY_FILE, "no bytes", "empty"),
    _refused("stream.mp4", "playlist", FileReason.POINTS_ELSEWHERE, "a list of files, named as a film", "playlist"),
    _refused("farah-portrait.jpg", "still_jpeg", FileReason.STILL_PICTURE, "one picture", "picture", "farah"),
    _refused("chidi-portrait.png", "still_png", FileReason.STILL_PICTURE, "one picture", "picture", "chidi"),
    SampleFile(
        "copy of ada.mp4", "copy", None, False, False, "byte for byte another file of the sample", "copy",
        FileState.DUPLICATE, (FileReason.SAME_BYTES,), of="ada-clean.mp4",
    ),
)  # fmt: skip
"""Every file. A path that starts with a name and a dash gives the speaker."""

SPEAKER_PATTERN: Final = r"(?:^|/)(?P<speaker>[a-z]+)-[^/]*\Z"
"""Finds the speaker in a file's path; no match, no speaker. Names of people are the only words before a dash."""

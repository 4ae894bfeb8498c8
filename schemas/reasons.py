"""Reasons for the outcome of a file or a clip. Every reason is a code, and every code has a sentence for people."""

from enum import StrEnum
from typing import Final, Self


class Stage(StrEnum):
    """The two trainings a clip can serve: landmark generation and landmark translation."""

    STAGE1 = "stage1"
    STAGE2 = "stage2"


class FileState(StrEnum):
    """Final state of a raw file; every file is in exactly one."""

    MEASURED = "measured"  # at least one clip was measured and routed
    REJECTED = "rejected"  # examined, and no clip can come out of it
    DUPLICATE = "duplicate"  # the same bytes as another file
    QUARANTINED = "quarantined"  # could not be worked on; kept out of all tables of clips


class _Explained(StrEnum):
    """A code, with the sentence that explains it to people."""

    explanation: str

    def __new__(cls, code: str, explanation: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_, member.explanation = code, explanation
        return member


class FileReason(_Explained):
    """Reason why a raw file gave no clips."""

    EMPTY_FILE = "empty_file", "the file holds no bytes"
    NOT_MEDIA = "not_media", "the content is not a video, whatever the name says"
    STILL_PICTURE = "still_picture", "one still picture; a clip needs movement"
    POINTS_ELSEWHERE = "points_elsewhere", "a playlist or script that points at other files; never opened"
    UNSUPPORTED_CONTAINER = "unsupported_container", "a media container that is not accepted"
    NO_VIDEO_STREAM = "no_video_stream", "the container holds no picture"
    PICTURE_TOO_LARGE = "picture_too_large", "the picture is larger than the settings allow to decode"
    PICTURE_TOO_SMALL = "picture_too_small", "the picture is smaller than any face that can be measured"
    NO_DECODABLE_FRAME = "no_decodable_frame", "the container opens but not one frame decodes"
    NO_FACE = "no_face", "no face was found in any frame"
    TOO_SHORT = "too_short", "no face stays in one shot for the shortest clip length"
    TOO_LONG = "too_long", "the header claims more footage than the settings allow"
    SAME_BYTES = "same_bytes", "byte for byte the same as another file"
    LABELS_DISAGREE = "labels_disagree", "byte for byte the same as another file whose labels in the listing differ"
    FOLDER = "folder", "a folder with the name of a video; its files are listed by themselves"
    LINKED_FOLDER = "linked_folder", "a link to a folder; links to folders are not followed"
    NOT_A_REGULAR_FILE = "not_a_regular_file", "a pipe, socket or device; never opened"
    BROKEN_LINK = "broken_link", "a link to a file that is not there"
    LINK_LOOP = "link_loop", "a link that leads back to itself"
    LINK_OUTSIDE = "link_outside", "a link to a file outside of the source; never opened"
    UNSAFE_NAME = "unsafe_name", "its name in a data set leads out of it: absolute, or with '..'; never opened"
    LINK_IN_ARCHIVE = "link_in_archive", "a link inside of an archive; never followed"
    DUPLICATE_MEMBER = "duplicate_member", "an earlier member of the same archive has its name"
    DAMAGED_ARCHIVE = "damaged_archive", "the archive that holds it is cut short or damaged there"
    LABELS_UNREADABLE = "labels_unreadable", "the labels beside it in its data set cannot be read"
    UNREADABLE = "unreadable", "the file cannot be opened for reading"
    NOT_FOUND = "not_found", "there is no file of this name"
    VANISHED = "vanished", "the file disappeared while it was worked on"
    CHANGED = "changed", "the file was written to while it was worked on; the next run takes it as it is then"
    DECODER_CRASHED = "decoder_crashed", "the process that decoded the file died"
    TIMED_OUT = "timed_out", "the file took longer than its time limit"
    OUT_OF_MEMORY = "out_of_memory", "the file needed more memory than a worker may use"
    DISK_FULL = "disk_full", "the disk filled up while the file was worked on"
    WORKER_LOST = "worker_lost", "the worker was lost each time it held this file"
    INTERNAL_ERROR = "internal_error", "an error of ours; its text is in the row, please report it"


QUARANTINE_REASONS = frozenset(
    {
        FileReason.LABELS_DISAGREE,
        FileReason.LABELS_UNREADABLE,
        FileReason.BROKEN_LINK,
        FileReason.LINK_LOOP,
        FileReason.UNREADABLE,
        FileReason.NOT_FOUND,
        FileReason.VANISHED,
        FileReason.CHANGED,
        FileReason.DECODER_CRASHED,
        FileReason.TIMED_OUT,
        FileReason.OUT_OF_MEMORY,
        FileReason.DISK_FULL,
        FileReason.WORKER_LOST,
        FileReason.INTERNAL_ERROR,
    }
)
"""Reasons of files that could not be worked on, as opposed to files without usable footage."""


class ClipReason(_Explained):
    """Reason why a clip is refused by a stage. A clip carries every one that applies."""

    FACE_TOO_SMALL = "face_too_small", "the face is too small"
    FACE_NOT_TRACKED = "face_not_tracked", "the face is missing in too many frames"
    SEVERAL_FACES = "several_faces", "more than one face is on screen, and it is not clear that this one speaks"
    LANDMARKS_UNRELIABLE = "landmarks_unreliable", "the landmark model is unsure"
    LANDMARKS_JITTER = "landmarks_jitter", "the landmarks tremble"
    MOUTH_COVERED = "mouth_covered", "something lies over the mouth"
    MOUTH_FROZEN = "mouth_frozen", "the mouth does not move"
    HEAD_TURNED = "head_turned", "the head is turned too far"
    BLURRED = "blurred", "the face is not sharp"
    BLOCKY = "blocky", "the picture shows compression blocks"
    GREY = "grey", "the picture has no colour"
    TOO_DARK = "too_dark", "the face is too dark"
    TOO_BRIGHT = "too_bright", "the face is blown out"
    LOW_FRAME_RATE = "low_frame_rate", "too few different frames a second"
    PICTURE_FROZEN = "picture_frozen", "the picture stands still"
    INTERLACED = "interlaced", "the picture is combed, and could not be deinterlaced"
    NO_SOUND = "no_sound", "there is no sound"
    TOO_QUIET = "too_quiet", "the sound is all but silent"
    LITTLE_SPEECH = "little_speech", "too little of the clip is speech"
    NOISY = "noisy", "noise is too close to the speech"
    BACKGROUND_SOUND = "background_sound", "music or other sound lies under the speech"
    POOR_SPEECH = "poor_speech", "the speech itself is distorted"
    CLIPPED_SOUND = "clipped_sound", "the sound is clipped"
    NARROW_BAND = "narrow_band", "the sound lacks high frequencies"
    LOW_AV_SYNC = "low_av_sync", "the speech does not belong to this mouth"
    OUT_OF_SYNC = "out_of_sync", "sound and mouth are too far apart in time"
    AV_SYNC_UNKNOWN = "av_sync_unknown", "whether the speech belongs to this mouth could not be measured"
    STRADDLES_SPLITS = "straddles_splits", "a clip of its scene or sound already stands in another split"
    REFUSED_BY_PERSON = "refused_by_person", "a person refused it; `heterodub explain` shows who, and why"
    LICENCE_NOT_PERMITTED = "licence_not_permitted", "the policy does not allow its licence here"
    CONSENT_NOT_PERMITTED = "consent_not_permitted", "the consent of the people shown does not allow it"
    PURPOSE_NOT_PERMITTED = "purpose_not_permitted", "it may not be used for this purpose"
    SYNTHETIC_MEDIA = "synthetic_media", "it bears the mark of a generator: the face or the voice is not real"


RIGHTS_REASONS: Final = frozenset(
    {
        ClipReason.LICENCE_NOT_PERMITTED,
        ClipReason.CONSENT_NOT_PERMITTED,
        ClipReason.PURPOSE_NOT_PERMITTED,
        ClipReason.SYNTHETIC_MEDIA,
    }
)
"""Reasons that come from what is stated of a file, or marked in it, and from nothing that was measured."""

UNUSABLE: Final = frozenset({ClipReason.NO_SOUND, ClipReason.STRADDLES_SPLITS}) | RIGHTS_REASONS
"""Reasons that no label overrules: there is nothing to train on, test clips would be, or nobody may."""


class MissingCause(StrEnum):
    """Reason why a measurement is null. A missing number is never stored as 0 or -1."""

    NO_SOUND_STREAM = "no_sound_stream"
    NO_SOUND_IN_CLIP = "no_sound_in_clip"
    SOUND_UNDECODABLE = "sound_undecodable"
    SILENT = "silent"
    NO_SPEECH = "no_speech"
    NO_PAUSE = "no_pause"
    TOO_LITTLE_SPEECH = "too_little_speech"
    TOO_SHORT = "too_short"
    NO_FACE_FRAMES = "no_face_frames"
    ONLY_FACE = "only_face"
    MOUTH_STILL = "mouth_still"
    SWITCHED_OFF = "switched_off"
    NOT_IN_DOUBT = "not_in_doubt"
    NOT_INSTALLED = "not_installed"
    NO_GOOD_FRAME = "no_good_frame"
    NOT_OWN_SPEECH = "not_own_speech"
    OLDER_MEASURE = "older_measure"
    """Nobody measured it then: the clip is older than the signal."""


EXPLANATIONS: Final[dict[FileReason | ClipReason, str]] = {
    reason: reason.explanation for reason in (*FileReason, *ClipReason)
}
"""Sentences by code."""

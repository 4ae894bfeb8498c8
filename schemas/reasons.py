"""Reasons for the outcome of a file or a clip. Every reason is a code, and every code has a sentence for people."""

from enum import StrEnum


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


class FileReason(StrEnum):
    """Reason why a raw file gave no clips."""

    EMPTY_FILE = "empty_file"
    NOT_MEDIA = "not_media"
    STILL_PICTURE = "still_picture"
    POINTS_ELSEWHERE = "points_elsewhere"
    UNSUPPORTED_CONTAINER = "unsupported_container"
    NO_VIDEO_STREAM = "no_video_stream"
    PICTURE_TOO_LARGE = "picture_too_large"
    PICTURE_TOO_SMALL = "picture_too_small"
    NO_DECODABLE_FRAME = "no_decodable_frame"
    NO_FACE = "no_face"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    SAME_BYTES = "same_bytes"
    LABELS_DISAGREE = "labels_disagree"
    FOLDER = "folder"
    LINKED_FOLDER = "linked_folder"
    NOT_A_REGULAR_FILE = "not_a_regular_file"
    BROKEN_LINK = "broken_link"
    LINK_LOOP = "link_loop"
    LINK_OUTSIDE = "link_outside"
    UNREADABLE = "unreadable"
    NOT_FOUND = "not_found"
    VANISHED = "vanished"
    CHANGED = "changed"
    DECODER_CRASHED = "decoder_crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    WORKER_LOST = "worker_lost"
    INTERNAL_ERROR = "internal_error"


QUARANTINE_REASONS = frozenset(
    {
        FileReason.LABELS_DISAGREE,
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


class ClipReason(StrEnum):
    """Reason why a clip is refused by a stage. A clip carries every one that applies."""

    FACE_TOO_SMALL = "face_too_small"
    FACE_NOT_TRACKED = "face_not_tracked"
    SEVERAL_FACES = "several_faces"
    LANDMARKS_UNRELIABLE = "landmarks_unreliable"
    LANDMARKS_JITTER = "landmarks_jitter"
    MOUTH_COVERED = "mouth_covered"
    MOUTH_FROZEN = "mouth_frozen"
    HEAD_TURNED = "head_turned"
    BLURRED = "blurred"
    BLOCKY = "blocky"
    GREY = "grey"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    LOW_FRAME_RATE = "low_frame_rate"
    PICTURE_FROZEN = "picture_frozen"
    INTERLACED = "interlaced"
    NO_SOUND = "no_sound"
    TOO_QUIET = "too_quiet"
    LITTLE_SPEECH = "little_speech"
    NOISY = "noisy"
    BACKGROUND_SOUND = "background_sound"
    POOR_SPEECH = "poor_speech"
    CLIPPED_SOUND = "clipped_sound"
    NARROW_BAND = "narrow_band"
    NOT_PAIRED = "not_paired"
    OUT_OF_SYNC = "out_of_sync"
    PAIRING_UNKNOWN = "pairing_unknown"
    STRADDLES_SPLITS = "straddles_splits"


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
    MOUTH_STILL = "mouth_still"
    SWITCHED_OFF = "switched_off"
    NOT_IN_DOUBT = "not_in_doubt"


EXPLANATIONS: dict[FileReason | ClipReason, str] = {
    FileReason.EMPTY_FILE: "the file holds no bytes",
    FileReason.NOT_MEDIA: "the content is not a video, whatever the name says",
    FileReason.STILL_PICTURE: "one still picture; a clip needs movement",
    FileReason.POINTS_ELSEWHERE: "a playlist or script that points at other files; never opened",
    FileReason.UNSUPPORTED_CONTAINER: "a media container that is not accepted",
    FileReason.NO_VIDEO_STREAM: "the container holds no picture",
    FileReason.PICTURE_TOO_LARGE: "the picture is larger than the settings allow to decode",
    FileReason.PICTURE_TOO_SMALL: "the picture is smaller than any face that can be measured",
    FileReason.NO_DECODABLE_FRAME: "the container opens but not one frame decodes",
    FileReason.NO_FACE: "no face was found in any frame",
    FileReason.TOO_SHORT: "no face stays in one shot for the shortest clip length",
    FileReason.TOO_LONG: "the header claims more footage than the settings allow",
    FileReason.SAME_BYTES: "byte for byte the same as another file",
    FileReason.LABELS_DISAGREE: "byte for byte the same as another file whose labels in the listing differ",
    FileReason.FOLDER: "a folder with the name of a video; its files are listed by themselves",
    FileReason.LINKED_FOLDER: "a link to a folder; links to folders are not followed",
    FileReason.NOT_A_REGULAR_FILE: "a pipe, socket or device; never opened",
    FileReason.BROKEN_LINK: "a link to a file that is not there",
    FileReason.LINK_LOOP: "a link that leads back to itself",
    FileReason.LINK_OUTSIDE: "a link to a file outside of the source; never opened",
    FileReason.UNREADABLE: "the file cannot be opened for reading",
    FileReason.NOT_FOUND: "there is no file of this name",
    FileReason.VANISHED: "the file disappeared while it was worked on",
    FileReason.CHANGED: "the file was written to while it was worked on; the next run takes it as it is then",
    FileReason.DECODER_CRASHED: "the process that decoded the file died",
    FileReason.TIMED_OUT: "the file took longer than its time limit",
    FileReason.OUT_OF_MEMORY: "the file needed more memory than a worker may use",
    FileReason.DISK_FULL: "the disk filled up while the file was worked on",
    FileReason.WORKER_LOST: "the worker was lost each time it held this file",
    FileReason.INTERNAL_ERROR: "an error of ours; its text is in the row, please report it",
    ClipReason.FACE_TOO_SMALL: "the face is too small",
    ClipReason.FACE_NOT_TRACKED: "the face is missing in too many frames",
    ClipReason.SEVERAL_FACES: "more than one face is on screen",
    ClipReason.LANDMARKS_UNRELIABLE: "the landmark model is unsure",
    ClipReason.LANDMARKS_JITTER: "the landmarks tremble",
    ClipReason.MOUTH_COVERED: "something lies over the mouth",
    ClipReason.MOUTH_FROZEN: "the mouth does not move",
    ClipReason.HEAD_TURNED: "the head is turned too far",
    ClipReason.BLURRED: "the face is not sharp",
    ClipReason.BLOCKY: "the picture shows compression blocks",
    ClipReason.GREY: "the picture has no colour",
    ClipReason.TOO_DARK: "the face is too dark",
    ClipReason.TOO_BRIGHT: "the face is blown out",
    ClipReason.LOW_FRAME_RATE: "too few different frames a second",
    ClipReason.PICTURE_FROZEN: "the picture stands still",
    ClipReason.INTERLACED: "the picture is combed, and could not be deinterlaced",
    ClipReason.NO_SOUND: "there is no sound",
    ClipReason.TOO_QUIET: "the sound is all but silent",
    ClipReason.LITTLE_SPEECH: "too little of the clip is speech",
    ClipReason.NOISY: "noise is too close to the speech",
    ClipReason.BACKGROUND_SOUND: "music or other sound lies under the speech",
    ClipReason.POOR_SPEECH: "the speech itself is distorted",
    ClipReason.CLIPPED_SOUND: "the sound is clipped",
    ClipReason.NARROW_BAND: "the sound lacks high frequencies",
    ClipReason.NOT_PAIRED: "the speech does not belong to this mouth",
    ClipReason.OUT_OF_SYNC: "sound and mouth are too far apart in time",
    ClipReason.PAIRING_UNKNOWN: "whether the speech belongs to this mouth could not be measured",
    ClipReason.STRADDLES_SPLITS: "a clip of its scene or sound already stands in another split",
}

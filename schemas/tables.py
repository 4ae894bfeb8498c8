"""Arrow schemas of footage, clips and labels, and the list of all tables. Nulls are allowed only where said."""

from typing import Final

import pyarrow as pa

from .contract import LANDMARK_POINTS, MEL_BANDS
from .ledger_tables import AUDITED_FILES, BENCHMARKS, METRICS, PROMOTIONS, RELEASE_FILES, RELEASES, TOMBSTONES
from .signals import SIGNALS
from .table_fields import FLAG, INT, REAL, TEXT, field

LAYOUT_VERSION: Final = 8
"""Version of the table layout; a workspace of another version is refused, never half-read. `heterodub migrate` changes
an older one: raise it together with a step in tasks/stores/migration.py."""


_STREAM = pa.struct(
    [
        field("stream", INT, "number in the container", null=True),
        field("kind", TEXT, "picture or sound", null=True),
        field("codec", TEXT, "its codec", null=True),
        field("is_default", FLAG, "flagged as the default one", null=True),
        field("language", TEXT, "language, as the container says", null=True),
        field("title", TEXT, "title, as the container says", null=True),
        field("changes_hz", REAL, "pictures that differ from the one before, in a short look", null=True, unit="1/s"),
        field("av_sync_score", REAL, "how well the sound fits the mouths, where several were tried", null=True),
        field("rate_hz", INT, "sampling rate of a sound", null=True, unit="Hz"),
        field("channels", INT, "channels of a sound", null=True),
        field("used", FLAG, "in use", null=True),
    ]
)

CATALOG: Final = pa.schema(
    [
        field("uri", TEXT, "where the file is; one row per uri"),
        field("media_id", TEXT, "sha256 of the file's bytes; null when it could not be read", null=True),
        field("stamp", TEXT, "changes when the file changes; an unchanged stamp is not read again"),
        field("size_bytes", INT, "size of the file", unit="B"),
        field("corpus", TEXT, "name of the corpus it came with"),
        field("speaker", TEXT, "who speaks, as stated by manifest or path", null=True),
        field("licence", TEXT, "licence, as stated", null=True),
        field("consent", TEXT, "consent of the people shown, as stated", null=True),
        field("purpose", TEXT, "purposes it may serve, as stated", null=True),
        field("synthetic", TEXT, "mark of a generator that it bears", null=True),
        field("language", TEXT, "language, as stated", null=True),
        field("offset_s", REAL, "seconds the sound is late, as stated", unit="s"),
        field("extractor", TEXT, "version and landmark backend that worked on it"),
        field("state", TEXT, "measured, rejected, duplicate or quarantined"),
        field("reason", TEXT, "why there are no clips; null when measured", null=True),
        field("error", TEXT, "the cause in its own words", null=True),
        field("notes", pa.list_(TEXT), "what was done to its pictures: squared, mapped, deinterlaced ...", null=True),
        field("clips", INT, "clips that came out of it"),
        field("media_s", REAL, "seconds of picture that were decoded", unit="s"),
        field("dropped_s", REAL, "seconds of face tracks too short to be a clip", unit="s"),
        field("container", TEXT, "container by content", null=True),
        field("video_codec", TEXT, "codec of the picture", null=True),
        field("width", INT, "as displayed, square pixels", null=True, unit="px"),
        field("height", INT, "as displayed, square pixels", null=True, unit="px"),
        field("rotation_deg", INT, "display rotation that was applied", null=True, unit="deg"),
        field("nominal_fps", REAL, "frame rate the container claims", null=True, unit="1/s"),
        field("duration_s", REAL, "length of the pictures, as the container claims", null=True, unit="s"),
        field("sound_codec", TEXT, "codec of the sound stream in use", null=True),
        field("sound_rate_hz", INT, "sampling rate of the sound stream in use", null=True, unit="Hz"),
        field("sound_channels", INT, "channels of the sound stream in use", null=True),
        field("sound_streams", INT, "number of sound streams", null=True),
        field("picture_stream", INT, "number of the picture stream in use", null=True),
        field("sound_stream", INT, "number of the sound stream in use; null without one", null=True),
        field("sound_channel", TEXT, "the one channel that is used, by ffmpeg's name; null: all, mixed", null=True),
        field("streams", pa.list_(_STREAM), "every stream that could be used, and which are", null=True),
    ]
)

CLIPS: Final = pa.schema(
    [
        field("clip_id", TEXT, "hash of media, shot, track, span and extractor"),
        field("media_id", TEXT, "the file it was cut from"),
        field("uri", TEXT, "where that file was"),
        field("corpus", TEXT, "corpus of the file"),
        field("speaker", TEXT, "speaker as stated, else file:<media_id>"),
        field("licence", TEXT, "licence of the file, as stated", null=True),
        field("consent", TEXT, "consent of the people shown, as stated", null=True),
        field("purpose", TEXT, "purposes the file may serve, as stated", null=True),
        field("synthetic", TEXT, "mark of a generator that the file bears", null=True),
        field("extractor", TEXT, "version and landmark backend"),
        field("backend", TEXT, "landmark backend, with its version"),
        field("shot", INT, "frame at which its shot begins, or the section (minute) in which the shot goes on"),
        field("track", INT, "number of the face track in its section of the film, from 0"),
        field("start_frame", INT, "first frame at 25 fps, from the first picture", unit="frames"),
        field("frames", INT, "length at 25 fps", unit="frames"),
        field("width", INT, "source picture as displayed", unit="px"),
        field("height", INT, "source picture as displayed", unit="px"),
        *(field(s.name, REAL, s.meaning, null=True, unit=s.unit) for s in SIGNALS),
        field("missing", pa.map_(TEXT, TEXT), "cause of each null signal"),
        field("picture_hash", pa.binary(), "perceptual hashes of five frames, 8 bytes each"),
        field("sound_hash", pa.binary(), "sound fingerprint, 4 bytes per 40 ms; empty without sound"),
        field(
            "face_motion", pa.binary(), "movement of the face, 4 signed bytes per 40 ms, 25 steps a standard deviation"
        ),
        field("stage1", FLAG, "admitted to landmark generation"),
        field("stage2", FLAG, "admitted to landmark translation"),
        field("stage1_reasons", pa.list_(TEXT), "every reason for which stage 1 refuses it"),
        field("stage2_reasons", pa.list_(TEXT), "every reason for which stage 2 refuses it"),
        field("policy", TEXT, "hash of the policy that decided"),
        field("split", TEXT, "train, val or test; null until published", null=True),
        field("split_group", TEXT, "speakers joined by shared scenes and sounds; one group, one split", null=True),
        field(
            "near_copy_of",
            TEXT,
            "clip_id of the first clip of the same recording: a copy, by movement or sound",
            null=True,
        ),
        field(
            "same_scene_as",
            TEXT,
            "clip_id of the first clip that shares scene or sound; more than one take",
            null=True,
        ),
    ]
)

_MATRIX = pa.list_(pa.list_(pa.float32()))
"""Rows of numbers, in the one type that pandas, Polars, DuckDB and Spark read: Delta has no lists of a fixed size. The
audit checks the length of each row.
"""


def _matrix(name: str, width: int, meaning: str, unit: str) -> pa.Field:
    return pa.field(name, _MATRIX, nullable=False, metadata={"meaning": meaning, "unit": unit, "width": str(width)})


_TRACKED = pa.list_(pa.bool_())
_OF_A_CLIP: Final = (
    field("clip_id", TEXT, "the clip"),
    field("media_id", TEXT, "its file"),
    field("backend", TEXT, "landmark backend, with its version"),
    field("frames", INT, "length at 25 fps", unit="frames"),
)
_OF_A_FACE: Final = (
    _matrix("landmarks", LANDMARK_POINTS * 2, "frames x (216 points x then y) in source pixels", "px"),
    field(
        "tracked",
        _TRACKED,
        "frames: the face was tracked and its mouth seen; false frames hold guesses and are masked",
    ),
)

STAGE1: Final = pa.schema(
    [
        *_OF_A_CLIP,
        field("sound_shift_frames", INT, "frames the sound was moved earlier to meet the mouth", unit="frames"),
        *_OF_A_FACE,
        _matrix("mel", MEL_BANDS, "(4 x frames) x 80 log-mel", "ln"),
        field(
            "senones",
            pa.binary(),
            "(4 x frames) x 126 scores of a speech recogniser's states, a byte each, 255 best; null where the setting "
            "`senones` was off",
            null=True,
        ),
        field("senones_version", TEXT, "recogniser that scored them", null=True),
    ]
)

STAGE2: Final = pa.schema(
    [
        *_OF_A_CLIP,
        *_OF_A_FACE,
        field("crop_px", INT, "width and height of each crop as encoded", unit="px"),
        _matrix("crop_boxes", 3, "frames x (left, top, side) in source pixels", "px"),
        field("crops", pa.list_(pa.binary()), "frames: the face crop as an encoded RGB image"),
    ]
)

LABELS: Final = pa.schema(
    [
        field("sequence", INT, "number of the label, from 1; of a clip and stage the highest one stands"),
        field("clip_id", TEXT, "the clip"),
        field("media_id", TEXT, "its file"),
        field("stage", TEXT, "stage1 or stage2"),
        field("keep", FLAG, "the stage is to have the clip, or not; null: the label was removed", null=True),
        field("reason", TEXT, "why, as a person put it; a reason code where the person chose one"),
        field("by", TEXT, "the person"),
        field("created_utc", TEXT, "when it was stored, ISO 8601"),
        field("draw", TEXT, "draw that asked for it, blind; null: the person chose the clip", null=True),
    ]
)

DRAWS: Final = pa.schema(
    [
        field("draw", TEXT, "the draw; a row is one of its clips"),
        field("frame", TEXT, "hash of the clips and the policy drawn from; draws of one frame add up"),
        field("created_utc", TEXT, "when, ISO 8601"),
        field("policy", TEXT, "hash of the routing policy that the strata are by"),
        field("stratum", TEXT, "rarest of the clip's verdicts: a stage and a reason, or admitted"),
        field("population", INT, "clips of the stratum", unit="clips"),
        field("frame_clips", INT, "clips of all strata", unit="clips"),
        field("clip_id", TEXT, "the clip"),
        field("media_id", TEXT, "its file"),
    ]
)

NEAR_PAIRS: Final = pa.schema(
    [
        field("clip_id", TEXT, "the clip"),
        field("media_id", TEXT, "its file"),
        field("other_id", TEXT, "a clip of another file that matches it; later in order of clip_id"),
        field("other_media_id", TEXT, "that clip's file"),
        field("picture", FLAG, "they show one scene"),
        field("sound", FLAG, "they sound the same"),
        field("motion", FLAG, "their faces move alike"),
        field("copy", FLAG, "they are copies of one recording"),
    ]
)

TABLES: Final[dict[str, pa.Schema]] = {
    "catalog": CATALOG,
    "clips": CLIPS,
    "stage1": STAGE1,
    "stage2": STAGE2,
    "near_pairs": NEAR_PAIRS,
    "releases": RELEASES,
    "release_files": RELEASE_FILES,
    "audited_files": AUDITED_FILES,
    "labels": LABELS,
    "draws": DRAWS,
    "benchmarks": BENCHMARKS,
    "promotions": PROMOTIONS,
    "tombstones": TOMBSTONES,
    "metrics": METRICS,
}

"""Arrow schemas of the stores. A column's unit is in its name or its metadata; nulls are allowed only where said."""

from typing import Final

import pyarrow as pa

from .contract import LANDMARK_POINTS, MEL_BANDS
from .signals import SIGNALS

LAYOUT_VERSION: Final = 5
"""Version of the table layout; a workspace of another version is refused, never half-read."""


def _field(name: str, kind: pa.DataType, meaning: str, *, null: bool = False, unit: str = "") -> pa.Field:
    metadata = {"meaning": meaning} | ({"unit": unit} if unit else {})
    return pa.field(name, kind, nullable=null, metadata=metadata)


_TEXT, _INT, _REAL, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()

_STREAM = pa.struct(
    [
        _field("stream", _INT, "number in the container", null=True),
        _field("kind", _TEXT, "picture or sound", null=True),
        _field("codec", _TEXT, "its codec", null=True),
        _field("is_default", _FLAG, "flagged as the default one", null=True),
        _field("language", _TEXT, "language, as the container says", null=True),
        _field("title", _TEXT, "title, as the container says", null=True),
        _field("changes_hz", _REAL, "pictures that differ from the one before, in a short look", null=True, unit="1/s"),
        _field("av_sync_score", _REAL, "how well the sound fits the mouths, where several were tried", null=True),
        _field("rate_hz", _INT, "sampling rate of a sound", null=True, unit="Hz"),
        _field("channels", _INT, "channels of a sound", null=True),
        _field("used", _FLAG, "in use", null=True),
    ]
)

CATALOG: Final = pa.schema(
    [
        _field("uri", _TEXT, "where the file is; one row per uri"),
        _field("media_id", _TEXT, "sha256 of the file's bytes; null when it could not be read", null=True),
        _field("stamp", _TEXT, "changes when the file changes; an unchanged stamp is not read again"),
        _field("size_bytes", _INT, "size of the file", unit="B"),
        _field("corpus", _TEXT, "name of the corpus it came with"),
        _field("speaker", _TEXT, "who speaks, as stated by manifest or path", null=True),
        _field("licence", _TEXT, "licence, as stated", null=True),
        _field("consent", _TEXT, "consent, as stated", null=True),
        _field("language", _TEXT, "language, as stated", null=True),
        _field("offset_s", _REAL, "seconds the sound is late, as stated", unit="s"),
        _field("extractor", _TEXT, "version and landmark backend that worked on it"),
        _field("state", _TEXT, "measured, rejected, duplicate or quarantined"),
        _field("reason", _TEXT, "why there are no clips; null when measured", null=True),
        _field("error", _TEXT, "the cause in its own words", null=True),
        _field("notes", pa.list_(_TEXT), "what was done to its pictures: squared, mapped, deinterlaced ...", null=True),
        _field("clips", _INT, "clips that came out of it"),
        _field("media_s", _REAL, "seconds of picture that were decoded", unit="s"),
        _field("dropped_s", _REAL, "seconds of face tracks too short to be a clip", unit="s"),
        _field("container", _TEXT, "container by content", null=True),
        _field("video_codec", _TEXT, "codec of the picture", null=True),
        _field("width", _INT, "as displayed, square pixels", null=True, unit="px"),
        _field("height", _INT, "as displayed, square pixels", null=True, unit="px"),
        _field("rotation_deg", _INT, "display rotation that was applied", null=True, unit="deg"),
        _field("nominal_fps", _REAL, "frame rate the container claims", null=True, unit="1/s"),
        _field("duration_s", _REAL, "length of the pictures, as the container claims", null=True, unit="s"),
        _field("sound_codec", _TEXT, "codec of the sound stream in use", null=True),
        _field("sound_rate_hz", _INT, "sampling rate of the sound stream in use", null=True, unit="Hz"),
        _field("sound_channels", _INT, "channels of the sound stream in use", null=True),
        _field("sound_streams", _INT, "number of sound streams", null=True),
        _field("picture_stream", _INT, "number of the picture stream in use", null=True),
        _field("sound_stream", _INT, "number of the sound stream in use; null without one", null=True),
        _field("sound_channel", _TEXT, "the one channel that is used, by ffmpeg's name; null: all, mixed", null=True),
        _field("streams", pa.list_(_STREAM), "every stream that could be used, and which are", null=True),
    ]
)

CLIPS: Final = pa.schema(
    [
        _field("clip_id", _TEXT, "hash of media, shot, track, span and extractor"),
        _field("media_id", _TEXT, "the file it was cut from"),
        _field("uri", _TEXT, "where that file was"),
        _field("corpus", _TEXT, "corpus of the file"),
        _field("speaker", _TEXT, "speaker as stated, else file:<media_id>"),
        _field("extractor", _TEXT, "version and landmark backend"),
        _field("backend", _TEXT, "landmark backend, with its version"),
        _field("shot", _INT, "number of the shot in the file, from 0"),
        _field("track", _INT, "number of the face track in the file, from 0"),
        _field("start_frame", _INT, "first frame at 25 fps, from the first picture", unit="frames"),
        _field("frames", _INT, "length at 25 fps", unit="frames"),
        _field("width", _INT, "source picture as displayed", unit="px"),
        _field("height", _INT, "source picture as displayed", unit="px"),
        *(_field(s.name, _REAL, s.meaning, null=True, unit=s.unit) for s in SIGNALS),
        _field("missing", pa.map_(_TEXT, _TEXT), "cause of each null signal"),
        _field("picture_hash", pa.binary(), "perceptual hashes of five frames, 8 bytes each"),
        _field("sound_hash", pa.binary(), "sound fingerprint, 4 bytes per 40 ms; empty without sound"),
        _field(
            "face_motion", pa.binary(), "movement of the face, 4 signed bytes per 40 ms, 25 steps a standard deviation"
        ),
        _field("stage1", _FLAG, "admitted to landmark generation"),
        _field("stage2", _FLAG, "admitted to landmark translation"),
        _field("stage1_reasons", pa.list_(_TEXT), "every reason for which stage 1 refuses it"),
        _field("stage2_reasons", pa.list_(_TEXT), "every reason for which stage 2 refuses it"),
        _field("policy", _TEXT, "hash of the policy that decided"),
        _field("split", _TEXT, "train, val or test; null until published", null=True),
        _field("split_group", _TEXT, "speakers joined by shared scenes and sounds; one group, one split", null=True),
        _field(
            "near_copy_of",
            _TEXT,
            "clip_id of the first clip of the same recording: a copy, by movement or sound",
            null=True,
        ),
        _field(
            "same_scene_as",
            _TEXT,
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
    _field("clip_id", _TEXT, "the clip"),
    _field("media_id", _TEXT, "its file"),
    _field("backend", _TEXT, "landmark backend, with its version"),
    _field("frames", _INT, "length at 25 fps", unit="frames"),
)
_OF_A_FACE: Final = (
    _matrix("landmarks", LANDMARK_POINTS * 2, "frames x (216 points x then y) in source pixels", "px"),
    _field(
        "tracked",
        _TRACKED,
        "frames: the face was tracked and its mouth seen; false frames hold guesses and are masked",
    ),
)

STAGE1: Final = pa.schema(
    [
        *_OF_A_CLIP,
        _field("sound_shift_frames", _INT, "frames the sound was moved earlier to meet the mouth", unit="frames"),
        *_OF_A_FACE,
        _matrix("mel", MEL_BANDS, "(4 x frames) x 80 log-mel", "ln"),
    ]
)

STAGE2: Final = pa.schema(
    [
        *_OF_A_CLIP,
        *_OF_A_FACE,
        _field("crop_px", _INT, "width and height of each crop as encoded", unit="px"),
        _matrix("crop_boxes", 3, "frames x (left, top, side) in source pixels", "px"),
        _field("crops", pa.list_(pa.binary()), "frames: the face crop as an encoded RGB image"),
    ]
)

RELEASES: Final = pa.schema(
    [
        _field("release_id", _TEXT, "hash of the published content, policy and settings"),
        _field("sequence", _INT, "number of the release in this workspace, from 1"),
        _field("created_utc", _TEXT, "when it was published, ISO 8601"),
        _field("catalog_version", _INT, "Delta version of the catalog"),
        _field("clips_version", _INT, "Delta version of clips"),
        _field("stage1_version", _INT, "Delta version of stage1"),
        _field("stage2_version", _INT, "Delta version of stage2"),
        _field("labels_version", _INT, "Delta version of labels"),
        _field("backend", _TEXT, "the one landmark backend of the release"),
        _field("extractor", _TEXT, "the one extractor of the release"),
        _field("policy", _TEXT, "hash of the routing policy"),
        _field("settings", _TEXT, "hash of the ingest settings"),
        _field("code", _TEXT, "version of heterodub, with the git commit where known"),
        _field("counts", _TEXT, "JSON: clips and speakers per stage and split"),
        _field("audit", _TEXT, "JSON: expectations checked, all met"),
        _field("notes", pa.list_(_TEXT), "what a reader should know, such as a small split"),
    ]
)

LABELS: Final = pa.schema(
    [
        _field("sequence", _INT, "number of the label, from 1; of a clip and stage the highest one stands"),
        _field("clip_id", _TEXT, "the clip"),
        _field("media_id", _TEXT, "its file"),
        _field("stage", _TEXT, "stage1 or stage2"),
        _field("keep", _FLAG, "the stage is to have the clip, or not; null: the label was removed", null=True),
        _field("reason", _TEXT, "why, as a person put it; a reason code where the person chose one"),
        _field("by", _TEXT, "the person"),
        _field("created_utc", _TEXT, "when it was stored, ISO 8601"),
        _field("draw", _TEXT, "draw that asked for it, blind; null: the person chose the clip", null=True),
    ]
)

DRAWS: Final = pa.schema(
    [
        _field("draw", _TEXT, "the draw; a row is one of its clips"),
        _field("frame", _TEXT, "hash of the clips and the policy drawn from; draws of one frame add up"),
        _field("created_utc", _TEXT, "when, ISO 8601"),
        _field("policy", _TEXT, "hash of the routing policy that the strata are by"),
        _field("stratum", _TEXT, "rarest of the clip's verdicts: a stage and a reason, or admitted"),
        _field("population", _INT, "clips of the stratum", unit="clips"),
        _field("frame_clips", _INT, "clips of all strata", unit="clips"),
        _field("clip_id", _TEXT, "the clip"),
        _field("media_id", _TEXT, "its file"),
    ]
)

BENCHMARKS: Final = pa.schema(
    [
        _field("benchmark", _TEXT, "hash of all its clips and their content; a row is one of the clips"),
        _field("sequence", _INT, "number of the benchmark in its stage and line, from 1; the highest one stands"),
        _field("stage", _TEXT, "stage1 or stage2"),
        _field("line", _TEXT, "extractor of the releases whose models it evaluates"),
        _field("created_utc", _TEXT, "when it was frozen, ISO 8601"),
        _field("release", _TEXT, "release whose test split it was"),
        _field("reason", _TEXT, "why it was frozen, as a person put it"),
        _field("clip_id", _TEXT, "the clip"),
        _field("media_id", _TEXT, "its file"),
        _field("speaker", _TEXT, "its speaker when it was frozen"),
        _field("split_group", _TEXT, "speakers joined by near-copies, when it was frozen"),
        _field("content", _TEXT, "sha256 over the clip's stored row"),
    ]
)

PROMOTIONS: Final = pa.schema(
    [
        _field("move_id", _TEXT, "one row a move of the champion"),
        _field("sequence", _INT, "number of the move among those of its model, from 1"),
        _field("model", _TEXT, "name of the registered model"),
        _field(
            "kind",
            _TEXT,
            "promote (by policy), override (by a person), rollback, or adopt: of a registry another ledger led",
        ),
        _field("state", _TEXT, "intended until the aliases are moved, then done"),
        _field("from_version", _INT, "champion before; null for the first one", null=True),
        _field("to_version", _INT, "champion after"),
        _field("created_utc", _TEXT, "when it was decided, ISO 8601"),
        _field("finished_utc", _TEXT, "when the aliases were moved, ISO 8601", null=True),
        _field("who", _TEXT, "user and machine"),
        _field("reason", _TEXT, "the decision in words"),
        _field("run", _TEXT, "MLflow run that holds the evidence", null=True),
        _field("benchmark", _TEXT, "hash of the benchmark behind the decision", null=True),
        _field("policy", _TEXT, "hash of the promotion policy", null=True),
    ]
)

TOMBSTONES: Final = pa.schema(
    [
        _field("takedown", _TEXT, "the takedown it belongs to"),
        _field("kind", _TEXT, "media, or what was requested: speaker, corpus, licence or file"),
        _field("mark", _TEXT, "media: its sha256; else sha256 of the value, which is not kept itself"),
        _field("created_utc", _TEXT, "when, ISO 8601"),
        _field("reason", _TEXT, "why, as a person put it"),
    ]
)

METRICS: Final = pa.schema(
    [
        _field("run", _TEXT, "the run of a flow that the row belongs to"),
        _field("parent", _TEXT, "run that started this one; null for what a person or a schedule started", null=True),
        _field("flow", _TEXT, "ingest, route, train, ..."),
        _field("step", _TEXT, "step of the flow; null for the run as a whole", null=True),
        _field("corpus", _TEXT, "corpus that the row is about; null for all that the run worked on", null=True),
        _field(
            "state",
            _TEXT,
            "started (runs alone), done, partial, dry_run or failed; a run with no more than started was killed",
        ),
        _field("at_utc", _TEXT, "when, ISO 8601"),
        _field("who", _TEXT, "user and machine"),
        _field("code", _TEXT, "version of heterodub"),
        _field("seconds", _REAL, "how long it took", null=True, unit="s"),
        _field("files", _INT, "files worked on", null=True),
        _field("clips", _INT, "clips worked on", null=True),
        _field("bytes", _INT, "bytes of the files worked on", null=True, unit="B"),
        _field("media_s", _REAL, "seconds of picture worked on", null=True, unit="s"),
        _field("errors", _INT, "files or jobs that could not be worked on", null=True),
        _field("facts", _TEXT, "JSON: what else a trend needs, such as refusals by reason"),
        _field("error", _TEXT, "kind of what ended it; its text may name footage, and is only in the log", null=True),
    ]
)

TABLES: Final[dict[str, pa.Schema]] = {
    "catalog": CATALOG,
    "clips": CLIPS,
    "stage1": STAGE1,
    "stage2": STAGE2,
    "releases": RELEASES,
    "labels": LABELS,
    "draws": DRAWS,
    "benchmarks": BENCHMARKS,
    "promotions": PROMOTIONS,
    "tombstones": TOMBSTONES,
    "metrics": METRICS,
}

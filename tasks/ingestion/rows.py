"""Rows of the stores for a measured clip."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from heterodub.model.features.landmarks import box
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS
from heterodub.schemas.records import Decision, Measurements
from heterodub.schemas.rights import RIGHTS
from heterodub.schemas.tables import STAGE1, STAGE2
from heterodub.tasks.identity.embeddings import ClipEmbeddings
from heterodub.tasks.identity.face_embedding import FACE_VERSION, FaceView
from heterodub.tasks.identity.voice_embedding import VOICE_VERSION
from heterodub.tasks.ingestion.clip_builder import Draft
from heterodub.tasks.quality.measure import FaceTrack
from heterodub.tasks.quality.senones import SENONES_VERSION, pack
from heterodub.tasks.stores.line_labels import clip_id_at


@dataclass(frozen=True, slots=True)
class ClipOrigin:
    """Origin of a clip; the same for all clips of a file."""

    media_id: str
    uri: str
    corpus: str
    speaker: str
    licence: str | None
    consent: str | None
    purpose: str | None
    synthetic: str | None
    extractor: str
    backend: str

    @property
    def stated(self) -> dict[str, str | None]:
        """Rights in the file."""
        return {name: getattr(self, name) for name in RIGHTS}


def clip_id(origin: ClipOrigin, draft: Draft) -> str:
    """Identity of a clip by content: 24 hex digits over media, shot, track, span and extractor."""
    return clip_id_at(origin.media_id, draft.shot, draft.track, draft.start_frame, draft.frames, origin.extractor)


def clip_row(
    origin: ClipOrigin,
    draft: Draft,
    measured: Measurements,
    decision: Decision,
    policy: str,
    fingerprints: Mapping[str, bytes],
) -> dict[str, Any]:
    """Build a row of `clips`. `fingerprints` holds picture_hash, sound_hash and face_motion."""
    return {
        "clip_id": clip_id(origin, draft),
        **asdict(origin),
        "shot": draft.shot,
        "track": draft.track,
        "start_frame": draft.start_frame,
        "frames": draft.frames,
        "width": draft.width,
        "height": draft.height,
        **measured.values,
        "missing": sorted((name, str(cause)) for name, cause in measured.missing.items()),
        **fingerprints,
        "stage1": decision.stage1,
        "stage2": decision.stage2,
        "stage1_reasons": [str(reason) for reason in decision.stage1_reasons],
        "stage2_reasons": [str(reason) for reason in decision.stage2_reasons],
        "policy": policy,
        "split": None,
        "split_group": None,
        "near_copy_of": None,
        "same_scene_as": None,
        **dict.fromkeys(("person", "person_found", "person_cause", "person_doubt")),
    }


def embedding_row(origin: ClipOrigin, draft: Draft, embeddings: ClipEmbeddings) -> dict[str, Any]:
    """Build a row of `embeddings`."""
    face, voice = embeddings.face, embeddings.voice
    return {
        "clip_id": clip_id(origin, draft),
        "media_id": origin.media_id,
        "backend": origin.backend,
        "frames": draft.frames,
        "face": face,
        "face_frames": None if face is None else list(embeddings.face_frames),
        "face_version": None if face is None else FACE_VERSION,
        "voice": voice,
        "voice_s": embeddings.voice_s,
        "voice_version": None if voice is None else VOICE_VERSION,
        "missing": sorted((name, str(cause)) for name, cause in embeddings.missing.items()),
    }


def face_views(draft: Draft) -> list[FaceView]:
    """Return the frames of a clip by which its face can be recognised: those whose picture was measured, with the face
    tracked and its mouth seen.
    """
    views = []
    for number, frame in enumerate(draft.content):
        if frame.look is None or frame.is_occluded or not frame.face.tracked:
            continue
        left, top, side = frame.box
        points = (frame.face.points - (left, top)) * np.float32(len(frame.square) / side)
        _, above, _, below = box(frame.face.points).tolist()
        face = frame.face
        views.append(FaceView(number, frame.square, points, below - above, face.yaw, face.pitch, frame.look.sharpness))
    return views


def stage1_table(
    clip: str,
    origin: ClipOrigin,
    face: FaceTrack,
    mel: NDArray[np.float32],
    shift: int,
    senones: NDArray[np.float32] | None,
) -> pa.Table:
    """Build one row of `stage1`: mel (4T, 80), shift in frames, senones (4T, 126) where they were scored."""
    columns = {
        **_head(clip, origin, len(face.points)),
        "sound_shift_frames": pa.array([shift], pa.int64()),
        "landmarks": _vectors(face.points.reshape(-1, LANDMARK_POINTS * 2)),
        "tracked": _flags(face.usable),
        "mel": _vectors(mel.reshape(-1, MEL_BANDS)),
        "senones": pa.array([None if senones is None else pack(senones)], pa.binary()),
        "senones_version": pa.array([None if senones is None else SENONES_VERSION], pa.string()),
    }
    return pa.table(columns, schema=STAGE1)


def stage2_table(clip: str, origin: ClipOrigin, face: FaceTrack, draft: Draft, quality: int) -> pa.Table:
    """Build one row of `stage2`; encodes the draft's crops as JPEG of the given quality."""
    crops = [_jpeg(frame.crop, quality) for frame in draft.content]
    columns = {
        **_head(clip, origin, len(face.points)),
        "landmarks": _vectors(face.points.reshape(-1, LANDMARK_POINTS * 2)),
        "tracked": _flags(face.usable),
        "crop_px": pa.array([draft.crop_px], pa.int64()),
        "crop_boxes": _vectors(np.array([frame.box for frame in draft.content], np.float32)),
        "crops": pa.array([crops], pa.list_(pa.binary())),
    }
    return pa.table(columns, schema=STAGE2)


def _head(clip: str, origin: ClipOrigin, frames: int) -> dict[str, pa.Array]:
    return {
        "clip_id": pa.array([clip]),
        "media_id": pa.array([origin.media_id]),
        "backend": pa.array([origin.backend]),
        "frames": pa.array([frames], pa.int64()),
    }


def _vectors(matrix: NDArray[np.float32]) -> pa.Array:
    """Return a list of one (n, width) matrix, without a Python object per number."""
    flat = pa.array(np.ascontiguousarray(matrix, np.float32).ravel())
    count, width = matrix.shape
    inner = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * width), flat)
    return pa.ListArray.from_arrays(pa.array([0, len(inner)], pa.int32()), inner)


def _flags(values: NDArray[np.bool_]) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), pa.array(values))


def _jpeg(rgb: NDArray[np.uint8], quality: int) -> bytes:
    # 4:4:4: the mouth is a few pixels wide, and subsampled chroma would smear its edges
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"a crop of shape {rgb.shape} cannot be encoded")
    return bytes(data)

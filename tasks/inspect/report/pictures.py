"""Thumbnails and details of chosen clips, from stored payload, else from raw files."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.stores import delta
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_store import ClipSource, SpeechClip, StoredClips

from .choice import Choice
from .details import RAW_FRAMES, Detail, data_uri, detail, face_window
from .stills import FrameRequest, raw_stills, spread, thumbnail

DETAIL_BYTES: Final = 9_000_000
"""Pictures of details, as written into the page, stay below this."""

Row = Mapping[str, Any]
Payload = TypeVar("Payload")


class ClipPictures:
    """Builder of thumbnails and details: from stored payload, else from raw files."""

    def __init__(
        self,
        ws: Workspace,
        settings: Settings,
        policy: Policy,
        choice: Choice,
        rows: Sequence[Row],
        catalog: Mapping[str, Row],
    ) -> None:
        self._ws, self._settings, self._policy = ws, settings, policy
        self._choice, self._catalog, self._labels = choice, catalog, read_labels(ws)
        self._rows = {row["clip_id"]: row for row in rows}
        there = [stage for stage in Stage if delta.exists(ws, stage.value)]
        self._stored = {stage: StoredClips(ws, stage, delta.snapshot(ws, stage.value).files) for stage in there}

    def build(self) -> tuple[dict[str, str], tuple[Detail, ...]]:
        """Return thumbnails as data URIs by clip_id, and details in the order they were chosen."""
        stage1 = {clip: self._read(Stage.STAGE1, StoredClips.speech, clip) for clip in self._choice.details}
        stored = {row["clip_id"] for row in self._rows.values() if row["stage2"] and Stage.STAGE2 in self._stored}
        raw = self._raw(sorted(self._choice.shown - stored), stage1)
        thumbnails: dict[str, str] = {}
        details: dict[str, Detail] = {}
        for clip in sorted(self._choice.shown):
            stage2, frames = self._read(Stage.STAGE2, StoredClips.pictures, clip), raw.get(clip, {})
            pictures = stage2.crops if stage2 else [frames[number] for number in sorted(frames)]
            if pictures:
                thumbnails[clip] = data_uri(thumbnail(pictures[len(pictures) // 2]))
            if clip in stage1:
                details[clip] = detail(self._rows[clip], self._policy, stage2, stage1[clip], frames, self._labels)
        return thumbnails, _bounded([details[clip] for clip in self._choice.details])

    def _read(self, stage: Stage, read: Callable[[StoredClips, ClipSource], Payload], clip: str) -> Payload | None:
        """Read the payload of a clip; None where the stage does not hold it."""
        if stage not in self._stored or not self._rows[clip][stage.value]:
            return None
        try:
            return read(self._stored[stage], ClipSource(clip, self._rows[clip]["media_id"]))
        except NotFoundError:  # the page has a placeholder; `doctor` names what is lost
            return None

    def _raw(self, clips: Sequence[str], stage1: Mapping[str, SpeechClip | None]) -> dict[str, dict[int, bytes]]:
        files: dict[str, list[FrameRequest]] = {}
        for clip in clips:
            row = self._rows[clip]
            count = RAW_FRAMES if clip in self._choice.details else 1
            frames = spread(row["start_frame"], row["frames"], count) if count > 1 else (_middle(row),)
            speech = stage1.get(clip)
            window = None if speech is None else face_window(speech.landmarks)
            files.setdefault(row["uri"], []).append(FrameRequest(clip, frames, window))
        return raw_stills(files, self._catalog, self._settings)


def _middle(row: Row) -> int:
    return int(row["start_frame"] + row["frames"] // 2)


def _bounded(details: list[Detail]) -> tuple[Detail, ...]:
    """Return as many details as the page has room for."""
    fitting: list[Detail] = []
    size = 0
    for entry in details:
        shapes = sum(len(path) for shape in entry.shapes for path in shape.values())
        size += sum(map(len, entry.frames)) + len(entry.mel or "") + shapes
        if size > DETAIL_BYTES and fitting:
            break
        fitting.append(entry)
    return tuple(fitting)

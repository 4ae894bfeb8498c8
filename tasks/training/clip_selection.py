"""Selection of a release's train and val clips; unusable selections are refused before a training starts."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.training.sampler import ClipInfo
from heterodub.schemas.contract import FEATURES_VERSION
from heterodub.schemas.errors import NotFoundError, TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.identity.units import joined_groups, with_people
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.benchmarks import CLIPS_A_SPEAKER, first_a_speaker, held_out
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_store import ClipSource, HeldPictures, PictureSource, StoredClips

_log = logging.getLogger(__name__)

_COLUMNS: Final = ["clip_id", "media_id", "speaker", "person", "frames", "split", "split_group", "stage1", "stage2"]
_DIVIDED: Final = ["speaker", "person", "split_group"]
_LEAST_FRAMES: Final = 2
"""A window and a reference frame beside it."""


@dataclass(frozen=True, slots=True)
class ClipRef:
    """A clip of the release, with the facts that selections use. Its speaker is the one whom it counts as
    (tasks/identity/units.py); group: of speakers, who are trained on or scored together.
    """

    facts: ClipInfo
    place: ClipSource
    split: str
    group: str
    both: bool


class TrainingClips(Protocol):
    """Train and val clips of a translator, from any storage. Travels between processes."""

    @property
    def stored(self) -> PictureSource:
        """The clips themselves."""

    @property
    def train(self) -> tuple[ClipRef, ...]:
        """Clips to train on."""

    @property
    def val(self) -> tuple[ClipRef, ...]:
        """Clips to validate on."""

    @property
    def release_id(self) -> str:
        """Id of the clips' release, or of its substitute."""

    @property
    def backend(self) -> str:
        """Landmark backend, with its version."""


@dataclass(frozen=True, slots=True)
class InMemoryClips:
    """Clips in memory that belong to no release. release_id: that of the translator which is tuned on them."""

    stored: HeldPictures
    train: tuple[ClipRef, ...]
    val: tuple[ClipRef, ...]
    release_id: str
    backend: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Train clips of a release, and val clips of other speakers; TrainingClips for stage 2."""

    release: Release
    stored: StoredClips
    train: tuple[ClipRef, ...]
    val: tuple[ClipRef, ...]

    @property
    def release_id(self) -> str:
        """Id of the release."""
        return self.release.release_id

    @property
    def backend(self) -> str:
        """Landmark backend of the release, with its version."""
        return self.release.backend

    @property
    def workspace(self) -> Workspace:
        """Workspace that holds the clips."""
        return self.stored.workspace

    @property
    def places(self) -> dict[str, ClipSource]:
        """Sources of all clips, by id."""
        return places(self.train, self.val)


def places(*clips: Sequence[ClipRef]) -> dict[str, ClipSource]:
    """Return the sources of clips, by id."""
    return {clip.facts.clip_id: clip.place for group in clips for clip in group}


def find_release(workspace: Workspace, release_id: str | None) -> Release:
    """Return the release of that id, else the newest.

    Raises: NotFoundError - there is none. TrainingError - it was extracted by another version of heterodub.
    """
    release = releases.named(workspace, release_id)
    version = release.extractor.partition("-")[0].partition(".")[0]
    if version != FEATURES_VERSION:
        raise TrainingError(
            f"release {release.release_id} was extracted by version {version}, this heterodub computes features as "
            f"version {FEATURES_VERSION}: ingest again, or use the heterodub that made it ({release.code})"
        )
    return release


def candidates(workspace: Workspace, release: Release, stage: Stage) -> list[ClipRef]:
    """Return all clips of the stage in the release, by id.

    Raises: NotFoundError - a file of the release is gone.
    """
    return _refs(workspace, release, _rows(workspace, release, stage))


def _rows(workspace: Workspace, release: Release, stage: Stage) -> pa.Table:
    rows = releases.release_clips(workspace, release, stage, None, _COLUMNS)
    return rows.filter(pc.greater_equal(rows["frames"], _LEAST_FRAMES))


def _refs(workspace: Workspace, release: Release, rows: pa.Table) -> list[ClipRef]:
    # of both stages' clips, so that a group has one name for both
    divided = releases.read_table(workspace, release, "clips", _DIVIDED, pc.field("split").is_valid())
    joined = joined_groups(divided)
    return [
        ClipRef(
            ClipInfo(row["clip_id"], row["frames"], row["speaker"]),
            ClipSource(row["clip_id"], row["media_id"]),
            row["split"],
            joined.get(row["split_group"], row["split_group"] or row["speaker"]),
            row["stage1"] and row["stage2"],
        )
        for row in with_people(rows).sort_by("clip_id").to_pylist()
    ]


def clip_named(workspace: Workspace, release: Release, clip_id: str) -> ClipRef:
    """Return the stage-2 clip of that id, or the only one whose id begins so, whatever its split.

    Raises: NotFoundError - the release has no such clip, or several.
    """
    matches = [clip for clip in candidates(workspace, release, Stage.STAGE2) if clip.facts.clip_id.startswith(clip_id)]
    if len(matches) != 1:
        raise NotFoundError(
            f"release {release.release_id} has {len(matches) or 'no'} stage2 clips whose id begins with {clip_id!r}; "
            f"`heterodub list --clips` names them"
        )
    return matches[0]


def select(workspace: Workspace, release: Release, stage: Stage) -> Selection:
    """Select the release's train and val split, without the speakers of any benchmark.

    Splits never change, but speakers are renamed and merged: speakers frozen in a benchmark stay out nevertheless.

    Raises: TrainingError - a split is empty. NotFoundError - files of the release were erased.
    """
    clips = _refs(workspace, release, _trainable(workspace, _rows(workspace, release, stage)))
    splits = {split: tuple(clip for clip in clips if clip.split == split) for split in ("train", "val")}
    for split, purpose in (("train", "train on"), ("val", "validate on")):
        if not splits[split]:
            raise TrainingError(
                f"release {release.release_id} has no {stage.value} clip in its {split} split to {purpose}: "
                f"{_counts(clips)}; ingest more speakers"
            )
    stored = StoredClips.of(workspace, release, stage)
    return Selection(release, stored, splits["train"], splits["val"])


def spread(clips: Sequence[ClipRef], count: int) -> list[ClipRef]:
    """Take at most `count` clips from all speakers in turn, in the order of ids."""
    speakers: dict[str, list[ClipRef]] = {}
    for clip in _by_id(clips):
        speakers.setdefault(clip.facts.speaker, []).append(clip)
    turns = [(turn, speaker) for speaker, speaker_clips in speakers.items() for turn in range(len(speaker_clips))]
    return [speakers[speaker][turn] for turn, speaker in sorted(turns)[:count]]


def few_a_speaker(clips: Sequence[ClipRef], most: int = CLIPS_A_SPEAKER) -> list[ClipRef]:
    """Take at most `most` clips of each speaker, in the order of ids."""
    return first_a_speaker(_by_id(clips), lambda clip: clip.facts.speaker, most)


def _by_id(clips: Sequence[ClipRef]) -> list[ClipRef]:
    return sorted(clips, key=lambda clip: clip.facts.clip_id)


def _trainable(workspace: Workspace, clips: pa.Table) -> pa.Table:
    """Return clips without those of a benchmark's speakers, by their stated names, in the train and val split."""
    benchmarks = held_out(workspace)
    names = ("clip_id", "media_id", "speaker", "split_group")
    columns = (clips[name].to_pylist() for name in names)
    is_held = pa.array([benchmarks.holds(*row) for row in zip(*columns, strict=True)], pa.bool_())
    leaks = pc.and_(is_held, pc.not_equal(clips["split"], "test"))
    if count := pc.sum(leaks).as_py():
        _log.warning(
            "%d clips of the train and val split belong to a benchmark's speakers and are left out, such as %s",
            count,
            pc.min(clips["clip_id"].filter(leaks)).as_py(),
        )
    return clips.filter(pc.invert(leaks))


def _counts(clips: Sequence[ClipRef]) -> str:
    counts = {split: sum(clip.split == split for clip in clips) for split in ("train", "val", "test")}
    return ", ".join(f"{count} {split}" for split, count in counts.items())

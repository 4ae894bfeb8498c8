"""Batches for the landmark generator by number, read from the store as they are asked for."""

from collections.abc import Mapping, Sequence

from model.stage1.batches import Batch, make_batch
from model.stage1.features import Prepared, prepare
from model.training.plan import Plan, Window
from schemas.training import Stage1Settings
from tasks.feeding.clip_batches import ClipBatches
from tasks.feeding.stored_clips import Place, StoredClips


class SpeechBatches(ClipBatches[Prepared, Batch]):
    """Batches of landmarks and mel; see ClipBatches."""

    def __init__(
        self,
        clips: StoredClips,
        places: Mapping[str, Place],
        plan: Plan,
        settings: Stage1Settings,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        super().__init__(places, plan, rank, devices)
        self._clips, self._settings = clips, settings

    def read(self, place: Place) -> Prepared:
        """A clip's features."""
        row = self._clips.speech(place)
        return prepare(row.mel, row.landmarks, row.tracked, self._settings.shape.pose_sigma_frames)

    def frames(self, clip: Prepared) -> int:
        """How many frames a clip has."""
        return len(clip.counts_T)

    def make(self, windows: Sequence[Window], clips: Sequence[Prepared], ids: Sequence[str]) -> Batch:
        """The batch of some windows."""
        feed = self._settings.feed
        return make_batch(windows, clips, ids, feed.window_frames, feed.references, self._settings.augmentation)

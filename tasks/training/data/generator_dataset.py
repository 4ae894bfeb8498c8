"""Dataset of the landmark generator: batches of landmarks and mel, read from the store on demand."""

from collections.abc import Mapping, Sequence

from model.stage1.batches import GeneratorBatch, make_batch
from model.stage1.features import GeneratorInput, prepare
from model.training.sampler import Window, WindowSampler
from schemas.config.training import Stage1Settings
from tasks.training.data.clip_store import ClipSource, StoredClips
from tasks.training.data.dataset import ClipDataset


class GeneratorDataset(ClipDataset[GeneratorInput, GeneratorBatch]):
    """Batches of landmarks and mel; see ClipDataset."""

    def __init__(
        self,
        clips: StoredClips,
        places: Mapping[str, ClipSource],
        plan: WindowSampler,
        settings: Stage1Settings,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        super().__init__(places, plan, rank, devices)
        self._clips, self._settings = clips, settings

    def read(self, place: ClipSource) -> GeneratorInput:
        """Read a clip and compute its features."""
        row = self._clips.speech(place)
        return prepare(row.mel, row.landmarks, row.tracked, self._settings.architecture.pose_sigma_frames)

    def frames(self, clip: GeneratorInput) -> int:
        """Return the number of frames of a clip."""
        return len(clip.counts_T)

    def make(self, windows: Sequence[Window], clips: Sequence[GeneratorInput], ids: Sequence[str]) -> GeneratorBatch:
        """Make the batch of some windows."""
        data = self._settings.data
        return make_batch(windows, clips, ids, data.window_frames, data.references, self._settings.augmentation)

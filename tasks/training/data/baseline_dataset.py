"""Dataset of the baselines: batches of crops, landmarks and mel of the same frames, from both stages' stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.baselines.batches import AVBatch, AVClip, make_av_batch, mel_windows
from model.training.sampler import Window, WindowSampler
from schemas.config.baselines import BaselineSettings
from tasks.training.data.clip_store import ClipSource, StoredClips
from tasks.training.data.dataset import ClipDataset
from tasks.training.data.translator_dataset import face_clip


@dataclass(frozen=True, slots=True)
class BothStages:
    """Random access to clips that both stages hold."""

    speech: StoredClips
    pictures: StoredClips

    def av_clip(self, place: ClipSource, side_px: int) -> AVClip:
        """Read a clip with its crops at the network's size.

        The stage-1 mel is used, which is in sync with the face: a constant offset was removed when it was stored.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """
        speech = self.speech.speech(place)
        return AVClip(face_clip(self.pictures.pictures(place), side_px), mel_windows(speech.mel, len(speech.tracked)))


class BaselineDataset(ClipDataset[AVClip, AVBatch]):
    """Batches of crops, landmarks and mel; see ClipDataset. A kept frame is one crop and its mel."""

    def __init__(
        self, clips: BothStages, places: Mapping[str, ClipSource], plan: WindowSampler, settings: BaselineSettings
    ) -> None:
        super().__init__(places, plan)
        self._clips, self._settings = clips, settings

    def read(self, place: ClipSource) -> AVClip:
        """Read and prepare a clip."""
        return self._clips.av_clip(place, self._settings.architecture.side_px)

    def frames(self, clip: AVClip) -> int:
        """Return the number of frames of a clip."""
        return len(clip.mel_TMK)

    def make(self, windows: Sequence[Window], clips: Sequence[AVClip], ids: Sequence[str]) -> AVBatch:
        """Make the batch of some windows."""
        return make_av_batch(windows, clips, ids, self._settings.data.window_frames, self._settings.augmentation)

"""Batches for the baselines by number: crops, landmarks and mel of the same frames, from both stages' stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.baselines.batches import AVBatch, AVClip, make_talk_batch, mel_windows
from model.training.sampler import Window, WindowSampler
from schemas.config.baselines import BaselineSettings
from tasks.training.data.clip_store import ClipSource, StoredClips
from tasks.training.data.dataset import ClipDataset
from tasks.training.data.translator_dataset import portrait


@dataclass(frozen=True, slots=True)
class BothStages:
    """Random access to clips that both stages hold."""

    speech: StoredClips
    pictures: StoredClips

    def talker(self, place: ClipSource, side_px: int) -> AVClip:
        """A clip with its crops at the size a network works on.

        The stage-1 mel is taken, which lies in time with the face: a constant offset was taken out when it was stored.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """
        heard = self.speech.speech(place)
        return AVClip(portrait(self.pictures.pictures(place), side_px), mel_windows(heard.mel, len(heard.tracked)))


class BaselineDataset(ClipDataset[AVClip, AVBatch]):
    """Batches of crops, landmarks and mel; see ClipDataset. A kept frame is one crop and its mel."""

    def __init__(
        self, clips: BothStages, places: Mapping[str, ClipSource], plan: WindowSampler, settings: BaselineSettings
    ) -> None:
        super().__init__(places, plan)
        self._clips, self._settings = clips, settings

    def read(self, place: ClipSource) -> AVClip:
        """A clip, prepared."""
        return self._clips.talker(place, self._settings.architecture.side_px)

    def frames(self, clip: AVClip) -> int:
        """How many frames a clip has."""
        return len(clip.mel_TMK)

    def make(self, windows: Sequence[Window], clips: Sequence[AVClip], ids: Sequence[str]) -> AVBatch:
        """The batch of some windows."""
        return make_talk_batch(windows, clips, ids, self._settings.data.window_frames, self._settings.augmentation)

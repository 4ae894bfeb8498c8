"""Batches for the rivals by number: crops, landmarks and mel of the same frames, from both stages' stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.baselines.batches import TalkBatch, Talker, make_talk_batch, mel_windows
from model.training.plan import Plan, Window
from schemas.rivals import RivalSettings
from tasks.feeding.clip_batches import ClipBatches
from tasks.feeding.picture_batches import portrait
from tasks.feeding.stored_clips import Place, StoredClips


@dataclass(frozen=True, slots=True)
class BothStages:
    """Random access to clips that both stages hold."""

    speech: StoredClips
    pictures: StoredClips

    def talker(self, place: Place, side_px: int) -> Talker:
        """A clip with its crops at the size a network works on.

        The stage-1 mel is taken, which lies in time with the face: a constant offset was taken out when it was stored.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """
        heard = self.speech.speech(place)
        return Talker(portrait(self.pictures.pictures(place), side_px), mel_windows(heard.mel, len(heard.tracked)))


class TalkBatches(ClipBatches[Talker, TalkBatch]):
    """Batches of crops, landmarks and mel; see ClipBatches. A kept frame is one crop and its mel."""

    def __init__(self, clips: BothStages, places: Mapping[str, Place], plan: Plan, settings: RivalSettings) -> None:
        super().__init__(places, plan)
        self._clips, self._settings = clips, settings

    def read(self, place: Place) -> Talker:
        """A clip, prepared."""
        return self._clips.talker(place, self._settings.shape.side_px)

    def frames(self, clip: Talker) -> int:
        """How many frames a clip has."""
        return len(clip.mel_TMK)

    def make(self, windows: Sequence[Window], clips: Sequence[Talker], ids: Sequence[str]) -> TalkBatch:
        """The batch of some windows."""
        return make_talk_batch(windows, clips, ids, self._settings.feed.window_frames, self._settings.augmentation)

"""Dataset of the landmark translator: batches of face crops and landmarks, decoded on demand."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from model.stage2.batches import FaceClip, TranslatorBatch, make_batch
from model.training.sampler import Window, WindowSampler
from schemas.config.translation import Stage2Settings
from tasks.training.data.clip_store import ClipSource, PictureClip, PictureSource
from tasks.training.data.dataset import ClipDataset


class TranslatorDataset(ClipDataset[FaceClip, TranslatorBatch]):
    """Batches of crops and landmarks; see ClipDataset. A kept frame is one crop at the network's size."""

    def __init__(
        self,
        clips: PictureSource,
        places: Mapping[str, ClipSource],
        plan: WindowSampler,
        settings: Stage2Settings,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        super().__init__(places, plan, rank, devices)
        self._clips, self._settings = clips, settings
        self._planned = {clip.clip_id: clip.frames for clip in plan.clips}

    def read(self, place: ClipSource) -> FaceClip:
        """Read a clip's crops and landmarks, as many frames as the sampler knows: fine-tuning may use its beginning."""
        return face_clip(self._clips.pictures(place), self._settings.architecture.side_px, self._planned[place.clip_id])

    def frames(self, clip: FaceClip) -> int:
        """Return the number of frames of a clip."""
        return len(clip.tracked_T)

    def make(self, windows: Sequence[Window], clips: Sequence[FaceClip], ids: Sequence[str]) -> TranslatorBatch:
        """Make the batch of some windows."""
        data, architecture, augmentation = self._settings.data, self._settings.architecture, self._settings.augmentation
        return make_batch(windows, clips, ids, data.window_frames, data.references, architecture, augmentation)


def face_clip(clip: PictureClip, side_px: int, frames: int | None = None) -> FaceClip:
    """Decode a stored clip, or its first frames, at the network's size: crops resized, landmarks in their pixels.

    Raises: ValueError - a crop cannot be decoded, or a number is not finite.
    """
    pictures = np.stack([_decoded(data, number, side_px) for number, data in enumerate(clip.crops[:frames])])
    boxes = clip.boxes[:frames, None]
    landmarks = (clip.landmarks[:frames] - boxes[..., :2]) * (side_px / boxes[..., 2:])
    return FaceClip(pictures, landmarks.astype(np.float32), clip.tracked[:frames])


def _decoded(data: bytes, number: int, side_px: int) -> np.ndarray:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise ValueError(f"the crop of frame {number} cannot be decoded")
    method = cv2.INTER_AREA if len(bgr) >= side_px else cv2.INTER_CUBIC
    if len(bgr) != side_px:
        bgr = cv2.resize(bgr, (side_px, side_px), interpolation=method)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))

"""Inference of a trained translator (translator.Translator) on any number of frames, in pieces without seams.

Shape suffix legend: T = frames, R = reference frames, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates.
"""

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.arrays import Floats, Pictures, evenly_spaced
from heterodub.model.stage2 import mask
from heterodub.model.stage2.batches import embedded_frames
from heterodub.model.stage2.composite import composite, in_context
from heterodub.model.stage2.network import LandmarkTranslator
from heterodub.model.stage2.translator import Appearance, require
from heterodub.model.stage2.warp import blended, candidates, selected

_PIECE_FRAMES: Final = 16
"""Frames generated at once; bounds memory, changes nothing else."""

_EMBEDDED: Final = 8
"""Number of reference frames that the embedder reads, evenly spread; more would change little."""


class TranslatorInference:
    """Embedder and generator for inference. Puts the translator into evaluation mode."""

    def __init__(self, translator: LandmarkTranslator) -> None:
        # colours beside each other in memory: the CPU's convolutions take a fifth less time, the figures are the same
        self.translator: LandmarkTranslator = translator.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def side_px(self) -> int:
        """S; see translator.Translator."""
        return self.translator.architecture.side_px

    @property
    def context(self) -> int:
        """p; see translator.Translator."""
        return self.translator.architecture.context

    @torch.inference_mode()
    def appearance(self, pictures_RSS3: Pictures, landmarks_RPXY: Floats) -> Appearance:
        """Embed reference frames; see translator.Translator."""
        require(self.side_px, pictures_RSS3, landmarks_RPXY)
        spread = evenly_spaced(len(pictures_RSS3), _EMBEDDED)
        inputs = embedded_frames(self._tensor(pictures_RSS3[spread]), self._numbers(landmarks_RPXY[spread]))
        vector = self.translator.embedder(inputs[None])[0].float().cpu().numpy()
        return Appearance(pictures_RSS3, landmarks_RPXY.astype(np.float32), vector)

    @torch.inference_mode()
    def translate(
        self,
        appearance: Appearance,
        pictures_TSS3: Pictures,
        source_TPXY: Floats,
        wanted_TPXY: Floats,
        path_T: NDArray[np.intp] | None = None,
    ) -> NDArray[np.float32]:
        """Generate the lower halves of crops; see translator.Translator."""
        require(self.side_px, pictures_TSS3, source_TPXY, wanted_TPXY)
        count = self.translator.architecture.candidates
        selected_TK = selected(appearance.landmarks_RPXY, wanted_TPXY, count, path_T)
        frames, reach = len(pictures_TSS3), self.context
        pieces = []
        for start in range(0, frames, _PIECE_FRAMES):
            stop = min(start + _PIECE_FRAMES, frames)
            low, high = max(0, start - reach), min(frames, stop + reach)
            span, inner = slice(low, high), slice(start - low, stop - low)
            composites = composite(
                self._tensor(pictures_TSS3[span]),
                self._numbers(mask.poses(source_TPXY[span])),
                self._numbers(wanted_TPXY[span]),
            )
            moved = candidates(appearance, wanted_TPXY[start:stop], selected_TK[start:stop], composites.device)
            pieces.append(self._generated(appearance, in_context(composites, reach)[inner], moved.flatten(1, 2)))
        return blended(pictures_TSS3, np.concatenate(pieces), source_TPXY)

    def _generated(self, appearance: Appearance, inputs_BCWW: Tensor, warped_BKWW: Tensor) -> NDArray[np.float32]:
        vector = self._tensor(appearance.vector).expand(len(inputs_BCWW), -1)
        maps, warps = (values.contiguous(memory_format=torch.channels_last) for values in (inputs_BCWW, warped_BKWW))
        generated: Tensor = self.translator.generator(maps, vector, warps)
        return generated.float().permute(0, 2, 3, 1).cpu().numpy()

    def _numbers(self, values: Floats) -> Tensor:
        return self._tensor(np.asarray(values, np.float32))

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.as_tensor(values, device=next(self.translator.parameters()).device)

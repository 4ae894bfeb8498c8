"""Scores and systems of each kind of model. No networks are imported: the check of policies uses it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from .model_scores import Direction

if TYPE_CHECKING:
    from model.evaluation.generator import System as SpeechSystem
    from model.evaluation.translator import System as PictureSystem

GENERATOR_DIRECTIONS: Final[Mapping[str, Direction]] = {
    "nme_lips": "less",
    "nme_outline": "less",
    "nme": "less",
    "mouth_opening_corr": "more",
    "mouth_opening_std_ratio": "near one",
    "velocity_error": "less",
    "jitter": "up to one",
    "landmark_sync_z": "more",
}
"""Every score of a generator, and its direction. True points jitter by the detector's noise, a jitter of 1; less is no
merit: a mouth that stands still has none."""

GENERATOR_SYSTEMS: Final[tuple["SpeechSystem", ...]] = (
    "paired audio",
    "unpaired audio",
    "silent audio",
    "copy",
    "ground truth",
)
"""Systems that are scored, the generator itself first."""

TRANSLATOR_DIRECTIONS: Final[Mapping[str, Direction]] = {
    "perceptual_lower": "less",
    "perceptual_heldout_lower": "less",
    "perceptual_mouth": "less",
    "perceptual_heldout_mouth": "less",
    "psnr_lower": "more",
    "psnr_mouth": "more",
    "psnr_whole": "more",
    "ssim_lower": "more",
    "ssim_mouth": "more",
    "ssim_whole": "more",
    "sharpness_lower": "near one",
    "sharpness_mouth": "near one",
    "flicker": "near one",
    "face_found_frac": "more",
    "nme_lips": "less",
    "mouth_opening_corr": "more",
    "mouth_opening_std_ratio": "near one",
}
"""Every score of a translator (model/evaluation/image_scores.py), and its direction."""

TRANSLATOR_SYSTEMS: Final[tuple["PictureSystem", ...]] = (
    "generated",
    "copy",
    "warp",
    "nearest frame oracle",
    "ground truth",
)
"""Systems that are scored, the translator itself first."""

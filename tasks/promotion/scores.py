"""What each kind of model is scored by, and beside which systems. No networks here: policies are checked by it."""

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
    "sync": "more",
}
"""Every score of a generator, and which way it is better. True points tremble by the detector's noise, a jitter of 1;
that a prediction trembles less is no merit: a mouth that stands still has none."""

GENERATOR_SYSTEMS: Final[tuple["SpeechSystem", ...]] = ("own sound", "other sound", "no sound", "copy", "truth")
"""Who is graded: the generator itself first."""

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
"""Every score of a translator (model/evaluation/image_scores.py), and which way it is better."""

TRANSLATOR_SYSTEMS: Final[tuple["PictureSystem", ...]] = ("painted", "copy", "warp", "nearest frame", "source")
"""Who is graded: the translator itself first."""

"""Score columns of the tables, each with the paper's nearest score."""

from typing import Final

from model.evaluation.comparison import FRECHET
from tasks.reproduction.table import ScoreColumn

UNPAIRED: Final = "frechet_unpaired"
NME: Final = "nme"

FRECHET_COLUMN: Final = ScoreColumn(FRECHET, "Fréchet (Lite0)", "less", "FID", digits=1, least=1.0)
UNPAIRED_COLUMN: Final = ScoreColumn(
    UNPAIRED, "Fréchet (Lite0), other sound", "less", "FID unpaired", digits=1, least=1.0
)
NME_COLUMN: Final = ScoreColumn(NME, "NME of stage 1, %", "less", "NME", scale=100, digits=2, least=1e-4)
FOUND_NME_COLUMN: Final = ScoreColumn(
    "nme_lips", "lips' NME found again, %", "less", "NME", scale=100, digits=2, least=1e-4
)
FACE_FOUND_COLUMN: Final = ScoreColumn(
    "face_found_frac", "face found again, %", "more", scale=100, digits=1, least=5e-3
)
"""Shown beside the error, since frames without a detected face are not in it."""

LIKENESS: Final = (
    ScoreColumn("ssim_whole", "SSIM", "more", "SSIM", digits=4, least=1e-3),
    ScoreColumn("psnr_whole", "PSNR, dB", "more", "PSNR", digits=2, least=0.1),
    ScoreColumn("perceptual_lower", "pd lower (Lite0)", "less", "LPIPS", digits=4, least=1e-3),
    ScoreColumn("perceptual_heldout_lower", "pd5 lower (Lite0)", "less", digits=4, least=1e-3),
)
"""SSIM and PSNR are over the whole crop, as the paper's are over the whole picture."""

OPENING: Final = ScoreColumn("mouth_opening_corr", "opening r", "more", digits=2, least=0.01)
"""Beside every picture score, since those reward a mouth that stands still."""

WHAT_SCORES_ARE: Final = (
    "Fréchet (Lite0) is a Frechet distance over the fifth stage of EfficientNet-Lite0 (no FID); pd is the perceptual "
    "distance of the lower half over its first four stages, which trainings learn by, and pd5 over the fifth, which "
    "none sees (no LPIPS). opening r is the correlation of the mouth opening found again with the true one.",
    "Means over speakers, 95 % intervals: bootstrap over speakers; for Frechet distances a jackknife that leaves out "
    "one speaker at a time. They know how speakers differ, not how two trainings of other seeds would: there is one "
    "training for each cell. Gains below 1 (Frechet), 0.001 (SSIM, pd), 0.1 dB, 0.01 points of NME and 0.01 of r count "
    "as no difference; these limits are chosen.",
)

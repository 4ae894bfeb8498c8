"""Figures of the paper: Tianyi Xie et al., Towards Realistic Visual Dubbing with Heterogeneous Sources, ACM MM '21,
arXiv 2201.06260; and the score columns of our tables, each with the paper's nearest score.

Figures have rows by name, as in heterodub's tables, and scores under the paper's names.
"""

from collections.abc import Mapping
from typing import Final

from heterodub.model.evaluation.frechet import FRECHET
from heterodub.tasks.reproduction.table import ScoreColumn

Published = Mapping[str, Mapping[str, float]]
"""Scores by row and name."""


def _rows(names: tuple[str, ...], rows: Mapping[str, tuple[float, ...]]) -> Published:
    return {row: dict(zip(names, values, strict=True)) for row, values in rows.items()}


_PAIRED: Final = ("FID", "NME", "SSIM", "PSNR", "LPIPS", "FID unpaired")

TABLE_1: Final[Mapping[str, Published]] = {
    "LRS2": _rows(
        _PAIRED,
        {
            "LipGAN": (10.8727, 0.0160, 0.9260, 32.50, 0.0543, 10.8120),
            "Wav2Lip": (8.6146, 0.0163, 0.9246, 31.84, 0.0624, 12.8225),
            "ours": (4.9080, 0.0136, 0.9298, 33.08, 0.0414, 9.4068),
        },
    ),
    "LRW": _rows(
        _PAIRED,
        {
            "LipGAN": (8.2843, 0.0090, 0.9367, 32.74, 0.0377, 8.3317),
            "Wav2Lip": (5.0358, 0.0099, 0.9347, 32.30, 0.0465, 6.1876),
            "ours": (4.2515, 0.0098, 0.9372, 32.79, 0.0273, 6.3544),
        },
    ),
}
"""Table 1, by data set; ours with fine-tuning."""

TABLE_2: Final = _rows(
    ("visual quality", "lip sync", "identity"),
    {
        "ATVGnet": (2.049, 2.649, 2.533),
        "MakeItTalk": (3.091, 2.195, 3.332),
        "LipGAN": (2.777, 2.566, 3.434),
        "Wav2Lip": (3.159, 3.516, 3.576),
        "ours": (3.736, 3.430, 3.700),
        "ours, fine-tuned": (3.782, 3.452, 3.945),
    },
)
"""Table 2: means of 80 raters, 1 to 5, unpaired, LRS2."""

TABLE_3: Final = _rows(
    ("FID", "SSIM", "PSNR", "LPIPS", "NME"),
    {
        "I 50 %, II 50 %": (6.4850, 0.9190, 31.32, 0.0488, 0.0181),
        "I 50 %, II 100 %": (5.6012, 0.9257, 32.22, 0.0440, 0.0181),
        "I 100 %, II 50 %": (6.5059, 0.9194, 31.33, 0.0484, 0.0071),
        "I 100 %, II 100 %": (5.5806, 0.9257, 32.19, 0.0439, 0.0071),
    },
)
"""Table 3, on LRS2 with fine-tuning: shares of the data of landmark generation (I) and translation (II)."""

TABLE_4: Final = _rows(
    ("FID", "SSIM", "PSNR", "LPIPS"),
    {
        "without gated convolution": (5.8130, 0.9246, 32.05, 0.0447),
        "without temporal discriminator": (6.2145, 0.9255, 32.09, 0.0448),
        "without face-recognition loss": (6.0960, 0.9262, 32.09, 0.0448),
        "all three": (5.5806, 0.9257, 32.19, 0.0439),
    },
)
"""Table 4, on LRS2 without fine-tuning: components of the translation."""

UNPAIRED: Final = "frechet_unpaired"
NME: Final = "nme"

FRECHET_COLUMN: Final = ScoreColumn(FRECHET, "Fréchet (Lite0)", "less", "FID", digits=1, least=1.0)
UNPAIRED_COLUMN: Final = ScoreColumn(
    UNPAIRED, "Fréchet (Lite0), unpaired audio", "less", "FID unpaired", digits=1, least=1.0
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

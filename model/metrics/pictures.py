"""Scores of generated pictures against true ones, one clip and one region at a time.

Shape suffix legend: T = frames, H, W = height and width in pixels.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace
from skimage.metrics import structural_similarity

from heterodub.model.features.arrays import Floats

Region = NDArray[np.bool_]

_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Rec. 601 luma."""

LEAST_ERROR: Final = 1e-10
"""Squared error below which PSNR is cut off, at 100 dB: equal pictures would have none."""


def psnr_db(generated_THW3: Floats, true_THW3: Floats, region_THW: Region) -> float:
    """Return the peak signal-to-noise ratio over the region's pixels of all frames; pictures in 0..1.

    Raises: ValueError - the region is empty.
    """
    return float(
        -10 * np.log10(max(region_mean(np.square(generated_THW3 - true_THW3).mean(axis=-1), region_THW), LEAST_ERROR))
    )


def ssim_maps(generated_THW3: Floats, true_THW3: Floats) -> NDArray[np.float64]:
    """Return the structural similarity around each pixel (windows of 7), mean over colours: (T, H, W), -1 to 1."""
    return np.stack([_alike(generated, true) for generated, true in zip(generated_THW3, true_THW3, strict=True)])


def sharpness(generated_THW3: Floats, true_THW3: Floats, region_THW: Region) -> float | None:
    """Return the energy of the Laplacian of grey pictures, generated over true: below 1 blurred, above 1 noisy.

    None: the truth is flat.

    Raises: ValueError - the region is empty.
    """
    generated, true = (region_mean(_edges(pictures), region_THW) for pictures in (generated_THW3, true_THW3))
    return generated / true if true > 0 else None


def flicker(
    generated_THW3: Floats, true_THW3: Floats, region_THW: Region, counts_T: NDArray[np.bool_] | None = None
) -> float | None:
    """Return the mean change of a pixel from frame to frame, generated over true. None: no two consecutive frames that
    count, or no change. counts_T: frames that count, all if left out.

    Raises: ValueError - the region is empty.
    """
    counts = np.ones(len(generated_THW3), bool) if counts_T is None else counts_T
    steps = counts[1:] & counts[:-1]
    if not steps.any():
        return None
    both = region_THW[1:] & region_THW[:-1] & steps[:, None, None]
    generated, true = (
        region_mean(np.abs(np.diff(pictures, axis=0)).mean(axis=-1), both) for pictures in (generated_THW3, true_THW3)
    )
    return generated / true if true > 0 else None


def _alike(generated_HW3: Floats, true_HW3: Floats) -> NDArray[np.float64]:
    measured: Any = structural_similarity(  # type: ignore[no-untyped-call]
        generated_HW3, true_HW3, channel_axis=-1, data_range=1.0, full=True
    )
    return np.asarray(measured[1].mean(axis=-1), np.float64)


def _edges(pictures_THW3: Floats) -> NDArray[np.float64]:
    return np.stack([np.square(laplace(grey)) for grey in pictures_THW3 @ _GREY]).astype(np.float64)


def region_mean(values_THW: Floats, region_THW: Region) -> float:
    """Return the mean over the region's pixels of all frames.

    Raises: ValueError - the region is empty.
    """
    if not region_THW.any():
        raise ValueError("there is no pixel in the region that is scored")
    return float(values_THW[region_THW].mean())

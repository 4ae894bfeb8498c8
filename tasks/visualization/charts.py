"""Figures of a prediction beside the ground truth, as PNG.

Shape suffix legend: T = frames, P = 216 points, XY = 2 coordinates in source pixels.
"""

import io
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.features.arrays import Floats
from model.features.landmarks import LIPS, SLICES, box, mouth_opening
from model.features.timing import frame_to_second
from schemas.contract import LANDMARK_POINTS

from .colours import GIVEN, GIVEN_RGB, MOVED, PREDICTED_RGB, TRUE_RGB, hexed

_PANEL_INCHES: Final = 2.5
_DPI: Final = 100
_FACE_SHAPE, _MOUTH_SHAPE = 1.2, 0.65
"""Height over width of a frame's two panels."""

_MARGIN: Final = 0.08
"""Margin around a face, as a share of its size."""


def landmarks_over_truth(predicted_TPXY: Floats, true_TPXY: Floats, title: str = "") -> bytes:
    """Draw predicted over true landmarks of up to six frames, spread over the clip: the face above, its mouth enlarged
    below. Each face is scaled to fit, in its pose. Returns a PNG.

    Raises: ValueError - the two are not of one shape (T, 216, 2), or a value is not finite.
    """
    require_pair(predicted_TPXY, true_TPXY)
    shown = _spread(len(true_TPXY), 6)
    shapes = (_FACE_SHAPE, _MOUTH_SHAPE)
    figure = new_figure(_PANEL_INCHES * len(shown), sum(shapes) * _PANEL_INCHES + 0.8, title)
    panels = figure.subplots(2, len(shown), squeeze=False, height_ratios=shapes)
    for column, frame in enumerate(shown):
        face, mouth = panels[:, column]
        both = np.concatenate([predicted_TPXY[frame], true_TPXY[frame]])
        lips = np.concatenate([predicted_TPXY[frame, LIPS], true_TPXY[frame, LIPS]])
        for panel, points, width, shape in ((face, both, 1.3, _FACE_SHAPE), (mouth, lips, 1.8, _MOUTH_SHAPE)):
            _draw(panel, predicted_TPXY[frame], true_TPXY[frame], width)
            _frame_on(panel, points, shape)
        face.set_title(f"{frame_to_second(frame):.2f} s", fontsize=9)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return png(figure)


def opening_chart(
    predicted_TPXY: Floats, true_TPXY: Floats, tracked_T: NDArray[np.bool_] | None = None, title: str = ""
) -> bytes:
    """Draw the mouth opening over time, predicted against true. Returns a PNG; untracked times are shaded.

    Raises: ValueError - the two are not of one shape (T, 216, 2), or a value is not finite.
    """
    require_pair(predicted_TPXY, true_TPXY)
    seconds = np.array([frame_to_second(frame) for frame in range(len(true_TPXY))])
    figure = new_figure(9.0, 3.2, title)
    chart = figure.subplots()
    chart.plot(seconds, mouth_opening(true_TPXY), color=hexed(TRUE_RGB), linewidth=1.6, label="true")
    chart.plot(seconds, mouth_opening(predicted_TPXY), color=hexed(PREDICTED_RGB), linewidth=1.6, label="predicted")
    if tracked_T is not None and not tracked_T.all():
        _shade(chart, seconds, ~tracked_T)
    chart.set_xlim(seconds[0], max(seconds[-1], frame_to_second(1)))
    chart.set_xlabel("time (s)")
    chart.set_ylabel("mouth opening\n(1 = distance of the eyes)")
    chart.grid(alpha=0.3)
    chart.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, fontsize=9, frameon=False)
    return png(figure)


def require_pair(predicted_TPXY: Floats, true_TPXY: Floats) -> None:
    """Check that two clips can be drawn beside each other.

    Raises: ValueError - they are not of one shape (T, 216, 2) with T >= 1, or a value is not finite.
    """
    if predicted_TPXY.shape != true_TPXY.shape or true_TPXY.shape[1:] != (LANDMARK_POINTS, 2) or not len(true_TPXY):
        raise ValueError(
            f"predicted {predicted_TPXY.shape} and true {true_TPXY.shape} are not of one shape (T, 216, 2)"
        )
    if not (np.isfinite(predicted_TPXY).all() and np.isfinite(true_TPXY).all()):
        raise ValueError("a landmark to be drawn is not finite")


def _spread(length: int, count: int) -> list[int]:
    return [int(frame) for frame in np.unique(np.linspace(0, length - 1, count).round())]


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure, sizes in inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw(panel: Any, predicted_PXY: Floats, true_PXY: Floats, width: float) -> None:
    layers = (
        (GIVEN, true_PXY, GIVEN_RGB, "given (pose)"),
        (MOVED, true_PXY, TRUE_RGB, "true"),
        (MOVED, predicted_PXY, PREDICTED_RGB, "predicted"),
    )
    for boundaries, points, rgb, label in layers:
        for boundary in boundaries:
            x, y = points[SLICES[boundary.name]].T
            name = label if boundary is boundaries[0] else None
            panel.plot(x, y, color=hexed(rgb), linewidth=width, label=name, solid_capstyle="round")


def _shade(chart: Any, seconds: Floats, lost_T: NDArray[np.bool_]) -> None:
    """Shade the frames that are true, over the whole height."""
    chart.fill_between(
        np.append(seconds, seconds[-1] + frame_to_second(1)),
        0.0,
        1.0,
        where=np.append(lost_T, lost_T[-1:]),
        transform=chart.get_xaxis_transform(),
        step="post",
        color=hexed(GIVEN_RGB),
        alpha=0.3,
        linewidth=0,
        label="not tracked",
    )


def _frame_on(panel: Any, points: Floats, shape: float) -> None:
    """Show the part of the picture around the points, its height `shape` times its width; y runs down."""
    left, top, right, bottom = box(points)
    half = (0.5 + _MARGIN) * max(right - left, (bottom - top) / shape, 1.0)
    x, y = (left + right) / 2, (top + bottom) / 2
    panel.set_xlim(x - half, x + half)
    panel.set_ylim(y + half * shape, y - half * shape)
    panel.set_aspect("equal")
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_color("#dddddd")


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG."""
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()

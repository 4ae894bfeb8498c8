"""Figures as PNG, a prediction beside the ground truth and intervals of scores; and the colours of all drawings, which
red-green colour blindness leaves distinguishable.

Shape suffix legend: T = frames, P = 216 points, XY = 2 coordinates in source pixels.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from heterodub.model.evaluation.intervals import Interval
from heterodub.model.features.arrays import Floats, evenly_spaced
from heterodub.model.features.landmarks import BOUNDARIES, LIPS, SLICES, Boundary, box, mouth_opening
from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.contract import LANDMARK_POINTS

PREDICTED_RGB: Final = (213, 94, 0)
OTHER_RGB: Final = (0, 158, 115)
"""A second prediction beside the first."""

TRUE_RGB: Final = (0, 114, 178)
GIVEN_RGB: Final = (150, 150, 150)
INK_RGB: Final = (40, 40, 40)

GIVEN: Final[tuple[Boundary, ...]] = tuple(boundary for boundary in BOUNDARIES if boundary.part == "pose")
"""Boundaries that are inputs of the network."""

MOVED: Final[tuple[Boundary, ...]] = tuple(boundary for boundary in BOUNDARIES if boundary.part != "pose")
"""Boundaries that it predicts."""

_PANEL_INCHES: Final = 2.5
_DPI: Final = 100
_FACE_SHAPE, _MOUTH_SHAPE = 1.2, 0.65
"""Height over width of a frame's two panels."""

_GAP: Final = np.full((1, 2), np.nan)
_MARGIN: Final = 0.08
"""Margin around a face, as a share of its size."""

_WIDE, _ROW_HIGH = 2.1, 0.34
"""Inches of a panel and of a row in it."""

_NAMES_WIDE: Final = 2.4
_A_LINE: Final = 4
"""Number of panels in a line; the next are below."""
_MARKERS: Final = ("D", "s", "^", "v")


def landmarks_over_truth(predicted_TPXY: Floats, true_TPXY: Floats, title: str = "") -> bytes:
    """Draw predicted over true landmarks of up to six frames, spread over the clip: the face above, its mouth enlarged
    below. Each face is scaled to fit, in its pose. Returns a PNG.

    Raises: ValueError - the two are not of one shape (T, 216, 2), or a value is not finite.
    """
    require_pair(predicted_TPXY, true_TPXY)
    frames = evenly_spaced(len(true_TPXY), 6)
    shapes = (_FACE_SHAPE, _MOUTH_SHAPE)
    figure = new_figure(_PANEL_INCHES * len(frames), sum(shapes) * _PANEL_INCHES + 0.8, title)
    panels = figure.subplots(2, len(frames), squeeze=False, height_ratios=shapes)
    for column, frame in enumerate(frames):
        face, mouth = panels[:, column]
        both = np.concatenate([predicted_TPXY[frame], true_TPXY[frame]])
        lips = np.concatenate([predicted_TPXY[frame, LIPS], true_TPXY[frame, LIPS]])
        for panel, points, width, shape in ((face, both, 1.3, _FACE_SHAPE), (mouth, lips, 1.8, _MOUTH_SHAPE)):
            _draw_face(panel, predicted_TPXY[frame], true_TPXY[frame], width)
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


def new_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure, sizes in inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw_face(panel: Any, predicted_PXY: Floats, true_PXY: Floats, width: float) -> None:
    layers = (
        (GIVEN, true_PXY, GIVEN_RGB, "given (pose)"),
        (MOVED, true_PXY, TRUE_RGB, "true"),
        (MOVED, predicted_PXY, PREDICTED_RGB, "predicted"),
    )
    for boundaries, points, rgb, label in layers:
        parts = [part for one in boundaries for part in (points[SLICES[one.name]], _GAP)]
        x, y = np.concatenate(parts).T  # one line with gaps: each line of its own takes a millisecond
        panel.plot(x, y, color=hexed(rgb), linewidth=width, label=label, solid_capstyle="round")


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
    """Return the figure as a PNG."""
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def hexed(rgb: tuple[int, int, int]) -> str:
    """Return a colour as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)


@dataclass(frozen=True, slots=True)
class Panel:
    """A score of some rows. published: the paper's values by source and row, on their own axis, since its scores
    differ; published_as: its name for them.
    """

    heading: str
    better: str
    scale: float
    measured: Mapping[str, Interval]
    published: Mapping[str, Mapping[str, float]]
    published_as: str | None


def interval_panels(rows: Sequence[str], panels: Sequence[Panel], title: str = "") -> bytes:
    """Draw the panels, with the same rows from top to bottom in each. Returns a PNG.

    Raises: ValueError - there is no row or no panel.
    """
    if not rows or not panels:
        raise ValueError("a figure of intervals needs rows and scores")
    across, down = min(_A_LINE, len(panels)), -(-len(panels) // _A_LINE)
    size = (_NAMES_WIDE + _WIDE * across, 0.5 + down * (1.1 + _ROW_HIGH * len(rows)))
    figure = new_figure(*size, title)
    places = figure.subplots(down, across, squeeze=False)
    for number, axes in enumerate(places.ravel()):
        if number >= len(panels):
            axes.set_visible(False)
            continue
        _draw_intervals(axes, rows, panels[number])
        axes.set_yticks(range(len(rows)), rows if number % across == 0 else [""] * len(rows), fontsize=8)
    return png(figure)


def _draw_intervals(axes: Any, rows: Sequence[str], panel: Panel) -> None:
    for place, name in enumerate(rows):
        interval = panel.measured.get(name)
        if interval is None or interval.mean is None:
            continue
        axes.plot(interval.mean * panel.scale, place, "o", color=hexed(PREDICTED_RGB), markersize=5)
        if interval.low is not None and interval.high is not None:
            ends = [interval.low * panel.scale, interval.high * panel.scale]
            axes.plot(ends, [place, place], color=hexed(PREDICTED_RGB), linewidth=1.6)
    arrow = {"less": "←", "more": "→", "near one": "→ 1 ←"}[panel.better]
    axes.set_xlabel(f"{panel.heading}\n{arrow} better", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    if any(set(values) & set(rows) for values in panel.published.values()):
        _draw_published(axes.twiny(), rows, panel)


def _draw_published(above: Any, rows: Sequence[str], panel: Panel) -> None:
    for marker, (source, values) in zip(_MARKERS, panel.published.items(), strict=False):
        points = [(values[name] * panel.scale, place) for place, name in enumerate(rows) if name in values]
        if not points:
            continue
        across, down = zip(*points, strict=True)
        above.plot(across, [place + 0.22 for place in down], marker, color=hexed(GIVEN_RGB), markersize=4, label=source)
    above.set_xlabel(f"◇ paper: {panel.published_as}", fontsize=7, color=hexed(GIVEN_RGB))
    above.tick_params(axis="x", labelsize=6, colors=hexed(GIVEN_RGB))
    if len(panel.published) > 1:
        above.legend(fontsize=6, loc="lower right", frameon=False)

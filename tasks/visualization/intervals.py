"""Interval plots of tables: a panel for each score, a line for each row with its interval, the paper's value beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model.metrics.intervals import Interval

from .charts import new_figure, png
from .colours import GIVEN_RGB, PREDICTED_RGB, hexed

_WIDE, _ROW_HIGH = 2.1, 0.34
"""Inches of a panel and of a row in it."""

_NAMES_WIDE: Final = 2.4
_A_LINE: Final = 4
"""Number of panels in a line; the next are below."""
_MARKERS: Final = ("D", "s", "^", "v")


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
        _draw(axes, rows, panels[number])
        axes.set_yticks(range(len(rows)), rows if number % across == 0 else [""] * len(rows), fontsize=8)
    return png(figure)


def _draw(axes: Any, rows: Sequence[str], panel: Panel) -> None:
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
        known = [(values[name] * panel.scale, place) for place, name in enumerate(rows) if name in values]
        if not known:
            continue
        across, down = zip(*known, strict=True)
        above.plot(across, [place + 0.22 for place in down], marker, color=hexed(GIVEN_RGB), markersize=4, label=source)
    above.set_xlabel(f"◇ paper: {panel.published_as}", fontsize=7, color=hexed(GIVEN_RGB))
    above.tick_params(axis="x", labelsize=6, colors=hexed(GIVEN_RGB))
    if len(panel.published) > 1:
        above.legend(fontsize=6, loc="lower right", frameon=False)

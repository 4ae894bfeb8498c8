"""SVG charts of the page about runs: values over runs, spreads over runs, a spread before and now."""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from tasks.quality.drift import SignalDrift, Spread

_WIDTH: Final = 300
_HEIGHT: Final = 110
_TOP, _FLOOR = 16, 92

Quantiles = tuple[float, ...]


def bars(values: Sequence[float | None], labels: Sequence[str], unit: str) -> Markup:
    """Draw a bar for each value, from 0. The tallest is labelled; each shows its label and value as a tooltip."""
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    named = max((number for number, value in enumerate(values) if value == top), default=-1)
    step = _WIDTH / max(len(values), 8)
    parts = [f'<line class="floor" x1="0" y1="{_FLOOR}" x2="{_WIDTH}" y2="{_FLOOR}"/>']
    for number, (value, label) in enumerate(zip(values, labels, strict=True)):
        if value is None:
            continue
        tall = max((_FLOOR - _TOP) * value / top, 1.5 if value else 0.0)
        parts.append(
            f'<rect class="column" x="{number * step + 1:.1f}" y="{_FLOOR - tall:.1f}" width="{step - 2:.1f}" '
            f'height="{tall:.1f}" rx="1.5"><title>{label}: {value:.4g} {unit}</title></rect>'
        )
        if number == named:
            anchor = "end" if number * step > _WIDTH - 60 else "start"
            at = number * step + (step - 1 if anchor == "end" else 1)
            parts.append(
                f'<text class="tick" x="{at:.1f}" y="{_FLOOR - tall - 4:.1f}" text-anchor="{anchor}">{value:.3g}</text>'
            )
    return _svg(parts + _ends(labels, step), _HEIGHT)


def _ends(labels: Sequence[str], step: float) -> list[str]:
    if not labels:
        return []
    first = f'<text class="tick" x="1" y="{_HEIGHT - 4}">{labels[0]}</text>'
    at = max(len(labels) * step, 150)
    last = f'<text class="tick" x="{at:.1f}" y="{_HEIGHT - 4}" text-anchor="end">{labels[-1]}</text>'
    return [first] if len(labels) == 1 else [first, last]


def band(spreads: Sequence[Spread]) -> Markup:
    """Draw a signal over runs: 5 to 95 % pale, the middle half darker, the median as a line."""
    width, height = 150, 30
    known = [(number, spread.quantiles) for number, spread in enumerate(spreads) if spread.quantiles is not None]
    if not known:
        return Markup("")
    low, high = _range([quantiles for _, quantiles in known])
    step = width / max(len(spreads), 6)

    def y(value: float) -> float:
        return height - 3 - (value - low) / (high - low) * (height - 6)

    parts = []
    for number, quantiles in known:
        x = number * step + 0.5
        for name, bottom, top in (("outer", 0, 4), ("inner", 1, 3)):
            a, b = y(quantiles[top]), y(quantiles[bottom])
            parts.append(
                f'<rect class="{name}" x="{x:.1f}" y="{a:.1f}" width="{step - 1:.1f}" height="{max(b - a, 1):.1f}"/>'
            )
        parts.append(f'<path class="median" d="M{x:.1f} {y(quantiles[2]):.1f}h{step - 1:.1f}"/>')
    return Markup(f'<svg class="band" viewBox="0 0 {width} {height}" role="img">{"".join(parts)}</svg>')


def before_and_now(drift: SignalDrift) -> Markup:
    """Draw a signal in the last release above, of new clips below: 5 to 95 % as a line, the middle half as a box."""
    sides = [("before", drift.before, 24), ("now", drift.now, 56)]
    known = [side.quantiles for _, side, _ in sides if side is not None and side.quantiles is not None]
    if not known:
        return Markup("")
    low, high = _range(known)

    def x(value: float) -> float:
        return 46 + (value - low) / (high - low) * (_WIDTH - 50)

    parts = []
    for name, side, y in sides:
        parts.append(f'<text class="tick" x="0" y="{y + 4}">{name}</text>')
        if side is None or side.quantiles is None:
            parts.append(f'<text class="tick" x="46" y="{y + 4}">not measured</text>')
            continue
        q = [x(value) for value in side.quantiles]
        parts.append(
            f'<g class="{name}"><line x1="{q[0]:.1f}" y1="{y}" x2="{q[4]:.1f}" y2="{y}"/>'
            f'<rect x="{q[1]:.1f}" y="{y - 9}" width="{max(q[3] - q[1], 2):.1f}" height="18" rx="3"/>'
            f'<path d="M{q[2]:.1f} {y - 9}v18"/></g>'
        )
    parts.append(f'<text class="tick" x="46" y="84">{low:.3g}</text>')
    parts.append(f'<text class="tick" x="{_WIDTH - 4}" y="84" text-anchor="end">{high:.3g}</text>')
    return _svg(parts, 88)


def _range(known: Sequence[Quantiles]) -> tuple[float, float]:
    low, high = min(ends[0] for ends in known), max(ends[-1] for ends in known)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _svg(parts: Sequence[str], height: int) -> Markup:
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(parts)}</svg>')

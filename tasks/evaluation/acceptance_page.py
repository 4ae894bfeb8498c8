"""Page of a dub's acceptance: one HTML file with the verdict, curves, stills of failed shots and a small film.

Numbers and pictures may come from a child that a video has taken over: every text is escaped, pictures are only shown.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from heterodub.schemas.acceptance import ShotEvidence
from heterodub.schemas.display import visible
from heterodub.tasks.dubbing.jobs import Dubbed

_WIDE, _HIGH = 900, 110
"""Size of a chart, units of its own."""

_CHARTS: Final = {
    "mouth opening, units of the face frame": ("opening", "wanted", "source"),
    "border and skin, levels of 255": ("seam", "colour_step", "flicker"),
}

Curve = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class _Line:
    """A curve of a chart: name, number of its colour, and points for SVG, a text for each stretch without a gap."""

    name: str
    colour: int
    stretches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    low: float
    high: float
    lines: tuple[_Line, ...]


def acceptance_page(name: str, dubbed: Dubbed, evidence: Sequence[ShotEvidence], film: bytes | str) -> str:
    """Render the page. film: the small film, or the name of it beside the page.

    Raises: ValueError - the dub was not measured.
    """
    from jinja2 import Environment, StrictUndefined  # a dub that is not measured needs no page

    if dubbed.acceptance is None:
        raise ValueError("a dub that was not measured has no page")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"visible": visible, "number": _number}
    template = environment.from_string(files(__package__).joinpath("acceptance.html").read_text("utf-8"))
    shots = [
        {
            "verdict": verdict,
            "broken": {broken.measure for broken in verdict.broken},
            "charts": _charts(one.curves),
            "silent": _silences(one.curves),
            "stills": {still: _data_uri(jpeg, "image/jpeg") for still, jpeg in one.stills.items()},
        }
        for verdict, one in zip(dubbed.acceptance.shots, evidence, strict=True)
    ]
    return template.render(
        name=name,
        dubbed=dubbed,
        acceptance=dubbed.acceptance,
        shots=shots,
        measures=list(dubbed.acceptance.shots[0].measures.values) if shots else [],
        film=film if isinstance(film, str) else _data_uri(film, "video/mp4"),
        wide=_WIDE,
        high=_HIGH,
    )


def _charts(curves: Mapping[str, Curve]) -> list[_Chart]:
    charts = []
    for title, names in _CHARTS.items():
        values = [value for name in names for value in curves[name] if value is not None]
        if values:
            low, high = min(values), max(values)
            lines = (
                _Line(name, number, _stretches(curves["time_s"], curves[name], low, high))
                for number, name in enumerate(names)
            )
            charts.append(_Chart(title, low, high, tuple(lines)))
    return charts


def _stretches(times: Curve, values: Curve, low: float, high: float) -> tuple[str, ...]:
    """Return the points of a curve for SVG, cut where it has no value."""
    stretches: list[list[str]] = [[]]
    for at, value in zip(_places(times), values, strict=True):
        if value is None:
            stretches.append([])
        else:
            stretches[-1].append(f"{at:.1f},{_HIGH * (1 - (value - low) / ((high - low) or 1)):.1f}")
    return tuple(" ".join(stretch) for stretch in stretches if len(stretch) > 1)


def _silences(curves: Mapping[str, Curve]) -> list[tuple[float, float]]:
    """Return left edge and width of each stretch in which nobody speaks."""
    places, spans, began = _places(curves["time_s"]), list[tuple[float, float]](), None
    for at, silent in zip([*places, places[-1] if places else 0.0], [*curves["silent"], None], strict=True):
        if silent and began is None:
            began = at
        elif not silent and began is not None:
            spans.append((round(began, 1), round(at - began, 1)))
            began = None
    return spans


def _places(times: Curve) -> list[float]:
    known = [time or 0.0 for time in times]
    span = (known[-1] - known[0]) or 1.0 if known else 1.0
    return [_WIDE * (time - known[0]) / span for time in known]


def _number(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.3g}"


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64," + base64.b64encode(data).decode("ascii")

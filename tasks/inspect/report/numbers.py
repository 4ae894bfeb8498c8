"""Every signal of every listed clip, with the limits on it and how near the clip comes to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from heterodub.schemas.policy import Policy, Rule
from heterodub.schemas.signals import SIGNALS

from .histograms import rule_text, rules_on


@dataclass(frozen=True, slots=True)
class Margin:
    """Distance of a clip to its nearest limit: the share of clips with values from the limit to its own, itself among
    them. So it needs no unit, and a value that nearly all have is far from a limit.
    """

    share: float
    signal: str
    stage: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """Contents of the tables that open below a clip. signals: name, unit, meaning and limits of each. values: by clip
    id, in the order of the signals; the cause in place of a number that was not measured. margins: by clip id; clips of
    which no limited signal was measured have none.
    """

    signals: tuple[Mapping[str, Any], ...]
    values: Mapping[str, tuple[float | str, ...]]
    margins: Mapping[str, Margin]


def numbers(listed: pa.Table, clips: pa.Table, policy: Policy) -> Numbers:
    """Collect the numbers of `listed` clips; distances are shares of all `clips`, which have every signal, too."""
    columns = [listed[signal.name].to_pylist() for signal in SIGNALS]
    causes = [dict(missing or ()) for missing in listed["missing"].to_pylist()]
    names = [signal.name for signal in SIGNALS]
    ids = listed["clip_id"].to_pylist()
    values = {
        clip: tuple(_shown(value, cause.get(name)) for name, value in zip(names, row, strict=True))
        for clip, cause, row in zip(ids, causes, zip(*columns, strict=True), strict=True)
    }
    described = tuple(
        {
            "name": signal.name,
            "unit": "" if signal.unit == "1" else signal.unit,
            "meaning": signal.meaning,
            "limits": [
                {"stage": str(rule.stage), "text": rule_text(rule), "direction": rule.direction, "limit": rule.limit}
                for rule in rules_on(signal, policy)
            ],
        }
        for signal in SIGNALS
    )
    return Numbers(described, values, _margins(listed, clips, policy))


def _shown(value: float | None, cause: str | None) -> float | str:
    return (cause or "not measured").replace("_", " ") if value is None else float(f"{value:.5g}")


def _margins(listed: pa.Table, clips: pa.Table, policy: Policy) -> dict[str, Margin]:
    nearest: dict[str, Margin] = {}
    for signal in SIGNALS:
        for rule in rules_on(signal, policy):
            ordered = np.sort(_ranked(clips[signal.name], rule))
            ordered = ordered[np.isfinite(ordered)]
            ranked = _ranked(listed[signal.name], rule)
            limit = np.searchsorted(ordered, rule.limit)
            above = np.searchsorted(ordered, ranked, "right") - limit
            below = limit - np.searchsorted(ordered, ranked)
            shares = np.where(ranked >= rule.limit, above, below) / max(ordered.size, 1)
            for clip, value, share in zip(listed["clip_id"].to_pylist(), ranked, shares.tolist(), strict=True):
                if np.isfinite(value) and (clip not in nearest or share < nearest[clip].share):
                    nearest[clip] = Margin(round(share, 4), signal.name, str(rule.stage))
    return nearest


def _ranked(column: pa.ChunkedArray, rule: Rule) -> np.ndarray:
    values = np.asarray(column.cast(pa.float64()).fill_null(np.nan), np.float64)
    return np.abs(values) if rule.direction == "max_abs" else values

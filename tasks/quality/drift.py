"""Differences of new clips from those of the last release, signal by signal: pure functions over columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import TypeAdapter

from heterodub.model.metrics.drift import chance_distance, drift_distance, effective_count
from heterodub.schemas.signals import BY_NAME, SIGNAL_NAMES, SIGNALS

Against = Literal["corpus", "release"]

COLUMNS: Final = ("clip_id", "media_id", "corpus", *SIGNAL_NAMES)
"""Columns of `clips` in which drift is measured."""

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

_LEVEL: Final = 1 - 0.01 / len(SIGNALS)
"""Any of the signals may be beyond its limit by chance; so at most one corpus in a hundred gets a false warning."""

_DIGITS: Final = 5


@dataclass(frozen=True, slots=True)
class Spread:
    """Distribution of a signal over clips. quantiles: by QUANTILES, None if no clip has the signal. missing: share."""

    quantiles: tuple[float, ...] | None
    missing: float


@dataclass(frozen=True, slots=True)
class SignalDrift:
    """One signal of one corpus, now and, where there was something, before.

    distance: as model/metrics/drift.py has it. chance: what two draws of as many files from one source stay below.
    """

    signal: str
    now: Spread
    before: Spread | None = None
    distance: float | None = None
    chance: float | None = None

    def is_beyond(self, limit: float) -> bool:
        """Return True if it drifted further than the limit and than chance can explain."""
        return self.distance is not None and self.chance is not None and self.distance > max(limit, self.chance)


@dataclass(frozen=True, slots=True)
class CorpusDrift:
    """New clips of one corpus, compared with the last release: its own clips there, else all, else nothing."""

    corpus: str
    against: Against | None
    limit: float
    clips: int
    clips_before: int
    signals: tuple[SignalDrift, ...]

    @property
    def beyond(self) -> tuple[SignalDrift, ...]:
        """Signals to warn of, the furthest first."""
        beyond = [drift for drift in self.signals if drift.is_beyond(self.limit)]
        return tuple(sorted(beyond, key=lambda drift: -(drift.distance or 0.0)))

    def warning(self) -> str:
        """Return a sentence for people; empty when there is nothing to warn of."""
        drifts = ", ".join(_words(drift) for drift in self.beyond)
        of = "its clips in the last release" if self.against == "corpus" else "the last release, which has none of it"
        return f"corpus {self.corpus} drifts from {of} (limit {self.limit:g}): {drifts}" if drifts else ""


def corpus_drift(
    corpus: str, now: pa.Table, before: pa.Table | None, against: Against | None, limit: float
) -> CorpusDrift:
    """Compare clips with others. The tables have the signals and media_id; `before` is None or empty without any."""
    old = before if before is not None and before.num_rows else None
    chance = chance_distance(_looks(old), _looks(now), _LEVEL) if old is not None else None
    signals = tuple(_signal(name, _values(now, name), old, chance) for name in SIGNAL_NAMES)
    return CorpusDrift(
        corpus, against if old is not None else None, limit, now.num_rows, old.num_rows if old else 0, signals
    )


def _signal(name: str, now: NDArray[np.float64], before: pa.Table | None, chance: float | None) -> SignalDrift:
    if before is None:
        return SignalDrift(name, spread(now))
    old = _values(before, name)
    return SignalDrift(name, spread(now), spread(old), round(drift_distance(old, now), _DIGITS), chance)


def spread(values: NDArray[np.float64]) -> Spread:
    """Summarise the distribution of values (N,), NaN for a missing one."""
    measured = values[~np.isnan(values)]
    missing = round(1 - measured.size / max(values.size, 1), _DIGITS)
    if not measured.size:
        return Spread(None, missing)
    return Spread(tuple(float(f"{value:.{_DIGITS}g}") for value in np.quantile(measured, QUANTILES)), missing)


def _values(clips: pa.Table, name: str) -> NDArray[np.float64]:
    return np.asarray(clips[name].to_numpy(), np.float64)  # null becomes NaN


def _looks(clips: pa.Table) -> float:
    return effective_count(np.asarray(clips["media_id"].combine_chunks().dictionary_encode().indices))


def _words(drift: SignalDrift) -> str:
    unit = BY_NAME[drift.signal].unit
    before, now = (_middle(side) for side in (drift.before, drift.now))
    return f"{drift.signal} {drift.distance:.2f} ({before} -> {now}{'' if unit == '1' else ' ' + unit})"


def _middle(side: Spread | None) -> str:
    return "not measured" if side is None or side.quantiles is None else f"{side.quantiles[2]:.3g}"


def facts_of(drift: CorpusDrift) -> dict[str, Any]:
    """Return a dictionary ready for JSON; `drift_of` reads it back."""
    facts: dict[str, Any] = _DRIFT.dump_python(drift, mode="json")
    return facts


def drift_of(facts: Mapping[str, Any]) -> CorpusDrift:
    """Restore a drift from its facts."""
    return _DRIFT.validate_python(facts)


_DRIFT: Final = TypeAdapter(CorpusDrift)

"""Drift of new clips against the last release: measured, stored for the trend, and reported as a warning.

The distance is the two-sample Kolmogorov-Smirnov statistic (Smirnov, Ann. Math. Stat. 19, 1948), extended to values
that were not measured. For a one-sided limit, wherever it is drawn and whether or not it holds absence against a clip,
the refused share differs by at most the distance, and some limit reaches it. It has no bins to choose and no unit, so
one number serves all signals; a population stability index needs bins and grows as samples shrink, a Wasserstein
distance over the quartiles' range has no meaning where most values are equal (clipping, crushed blacks).

NaN stands for "not measured" throughout.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import TypeAdapter

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.signals import BY_NAME, SIGNAL_NAMES, SIGNALS
from heterodub.tasks.monitoring.run_log import Counts, current_run
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

Values = NDArray[np.float64]


def drift_distance(before_N: Values, now_M: Values) -> float:
    """Return the largest change, between two sets, of the share that any one-sided limit refuses; 0 to 1.

    Raises: ValueError - a set is empty.
    """
    if not before_N.size or not now_M.size:
        raise ValueError(f"a distance needs two non-empty sets of values, got {before_N.size} and {now_M.size}")
    edges = np.unique(np.concatenate([before_N[~np.isnan(before_N)], now_M[~np.isnan(now_M)]]))
    missing = float(np.isnan(now_M).mean() - np.isnan(before_N).mean())
    accepted = _share_up_to(now_M, edges) - _share_up_to(before_N, edges)  # absence lies above every limit
    refused = accepted + missing  # absence lies below every limit
    return max(abs(missing), float(np.abs(accepted).max(initial=0.0)), float(np.abs(refused).max(initial=0.0)))


def _share_up_to(values: Values, edges: Values) -> Values:
    """Return the share of all values, missing ones included, that were measured and do not exceed each edge."""
    measured = np.sort(values[~np.isnan(values)])
    return np.asarray(np.searchsorted(measured, edges, "right") / values.size, np.float64)


def effective_count(groups_N: NDArray[Any]) -> float:
    """Return the effective sample size of N values when those of one group are all alike: (sum n)^2 / sum n^2.

    Kish's design effect (Survey Sampling, 1965) at its worst. Clips of one file share camera, light and microphone, so
    a hundred clips of one file say no more about a corpus than one does.
    """
    _, sizes = np.unique(groups_N, return_counts=True)
    return float(sizes.sum() ** 2 / (sizes.astype(np.float64) ** 2).sum()) if sizes.size else 0.0


def chance_distance(before: float, now: float, level: float) -> float:
    """Return the distance that two samples of one source stay below with probability `level`; at most 1.

    before, now: effective sample sizes (effective_count). Smirnov's limit for large samples, which is conservative for
    small ones and for many equal values.
    """
    if before <= 0 or now <= 0:
        return 1.0
    return min(1.0, math.sqrt(-math.log((1 - level) / 2) / 2 * (1 / before + 1 / now)))


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

    distance: as tasks/monitoring/drift.py has it. chance: what two draws of as many files from one source stay below.
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


_LOG: Final = logging.getLogger(__name__)

STEP: Final = "drift"
"""Step of an ingest whose rows in `metrics` hold each corpus's spreads and distances."""


def find_drift(workspace: Workspace, settings: Settings) -> tuple[CorpusDrift, ...]:
    """Compare new clips with the last release, corpus by corpus; warn where the limit is passed.

    Raises: WorkspaceError - a table cannot be read.
    """
    drifts = tuple(
        corpus_drift(new.corpus, new.now, new.before, new.against, settings.drift.of(new.corpus))
        for new in arrivals(workspace, COLUMNS)
    )
    run = current_run()
    for drift in drifts:
        if run is not None:
            run.about(STEP, drift.corpus, Counts(clips=drift.clips, facts=facts_of(drift)))
        if warning := drift.warning():
            _LOG.warning("%s", warning)
    return drifts


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """New clips of one corpus, and those to compare with: its own clips in the last release, else all of it."""

    corpus: str
    now: pa.Table
    before: pa.Table | None
    against: Literal["corpus", "release"] | None


def arrivals(ws: Workspace, columns: Sequence[str]) -> Iterator[Arrivals]:
    """Yield one for each corpus with clips that the last release does not hold; `columns` has clip_id and corpus.

    Nothing but ids is read where nothing came in.

    Raises: WorkspaceError - a table cannot be read. NotFoundError - a file of the last release is gone.
    """
    last = releases.latest(ws)
    ids = tables.read_any(ws, "clips", ["clip_id"])["clip_id"]
    if last is not None:
        released_ids = releases.read_table(ws, last, "clips", ["clip_id"])["clip_id"].combine_chunks()
        ids = ids.filter(pc.invert(pc.is_in(ids, value_set=released_ids)))
    if not len(ids):
        return
    rows = tables.read(ws, "clips", list(columns))
    fresh = rows.filter(pc.is_in(rows["clip_id"], value_set=ids.combine_chunks()))
    for corpus in sorted(pc.unique(fresh["corpus"]).to_pylist()):
        now = fresh.filter(pc.equal(fresh["corpus"], corpus))
        if last is None:
            yield Arrivals(corpus, now, None, None)
            continue
        released = releases.read_table(ws, last, "clips", list(columns), pc.field("corpus") == corpus)
        if released.num_rows:
            yield Arrivals(corpus, now, released, "corpus")
        else:
            yield Arrivals(corpus, now, releases.read_table(ws, last, "clips", list(columns)), "release")

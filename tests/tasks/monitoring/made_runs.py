"""Runs as flows leave them, made without the work: for tests of the status and the trend page."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.monitoring.drift import STEP, corpus_drift, facts_of
from heterodub.tasks.monitoring.run_log import Counts, as_step, current_run, recording

Moves = Mapping[str, float]
"""By how much a signal's values are moved, by its name."""


def measured(clips: int, seed: int, moved: Moves | None = None, missing: Moves | None = None) -> pa.Table:
    """Clips of five a file with every signal drawn around 1; `missing` is the share that lacks a signal."""
    draw = np.random.default_rng(seed)
    columns: dict[str, object] = {"media_id": [f"{seed} {number // 5}" for number in range(clips)]}
    for name in SIGNAL_NAMES:
        values = draw.normal(1, 0.2, clips) + (moved or {}).get(name, 0.0)
        values[draw.random(clips) < (missing or {}).get(name, 0.0)] = np.nan
        columns[name] = pa.array(values, pa.float64(), from_pandas=True)
    return pa.table(columns)


def ingest(
    settings: Settings,
    corpora: Mapping[str, tuple[pa.Table, pa.Table | None]],
    reasons: Mapping[str, int] | None = None,
) -> None:
    """A run of `ingest` into each corpus of (what came in, what was there)."""
    clips = sum(now.num_rows for now, _ in corpora.values())
    facts = {"reasons": dict(reasons or {}), "states": {"measured": 10}, "routes": {"both": clips}}

    @as_step("analyse", lambda _: Counts(10, clips, 10**9, 600.0, 1, facts))
    def analyse() -> None:
        return

    @as_step(STEP)
    def look() -> None:
        for corpus, (now, before) in corpora.items():
            result = corpus_drift(corpus, now, before, "corpus", settings.drift.of(corpus))
            current_run().about(STEP, corpus, Counts(clips=result.clips, facts=facts_of(result)))

    with recording("ingest", settings):
        analyse()
        look()

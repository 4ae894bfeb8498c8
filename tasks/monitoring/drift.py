"""Drift of new clips against the last release: measured, stored for the trend, and reported as a warning."""

import logging
from typing import Final

from schemas.config.settings import Settings
from tasks.monitoring.run_log import Counts, journal
from tasks.quality.drift import COLUMNS, CorpusDrift, corpus_drift, facts_of
from tasks.releases.new_clips import arrivals
from tasks.stores.workspace import Workspace

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
    run = journal()
    for drift in drifts:
        if run is not None:
            run.about(STEP, drift.corpus, Counts(clips=drift.clips, facts=facts_of(drift)))
        if warning := drift.warning():
            _LOG.warning("%s", warning)
    return drifts

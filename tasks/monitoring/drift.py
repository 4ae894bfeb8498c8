"""Whether what came in still is what came in before: found, written down for the trend, and warned of."""

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
    """Hold the clips that the last release does not have against it, corpus by corpus; warn where the limit is passed.

    Raises: WorkspaceError - a table cannot be read.
    """
    found = tuple(
        corpus_drift(one.corpus, one.now, one.before, one.against, settings.drift.of(one.corpus))
        for one in arrivals(workspace, COLUMNS)
    )
    run = journal()
    for drift in found:
        if run is not None:
            run.about(STEP, drift.corpus, Counts(clips=drift.clips, facts=facts_of(drift)))
        if warning := drift.warning():
            _LOG.warning("%s", warning)
    return found

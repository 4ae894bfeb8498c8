"""Gathers from `metrics` what the page about runs shows: speed, refusals, drift, and every run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.config.settings import Settings
from tasks.inspect.explain import sentence
from tasks.monitoring.drift import STEP
from tasks.monitoring.runs import RunRecord, Step, runs, under_parents
from tasks.quality.drift import CorpusDrift, drift_of
from tasks.stores.workspace import Workspace

COLUMNS: Final = 24
"""Ingests that charts and tables have room for, the newest ones."""

ROWS: Final = 60
"""Runs that are listed, the newest ones."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one ingest worked on. factor: seconds of picture a second. shares: of clips, or files, by reason."""

    run: RunRecord
    files: int
    clips: int
    hours: float
    gigabytes: float
    errors: int
    factor: float | None
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason and its share in each ingest, as in TrendPage.ingests; None where there was nothing to refuse."""

    stage: str
    code: str
    text: str
    shares: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Clips that came into a corpus with one run, held against the release before."""

    started_utc: str
    drift: CorpusDrift


@dataclass(frozen=True, slots=True)
class CorpusTrend:
    """A corpus over runs, oldest first."""

    corpus: str
    arrivals: tuple[Arrival, ...]

    @property
    def last(self) -> CorpusDrift:
        """What came in last."""
        return self.arrivals[-1].drift


@dataclass(frozen=True, slots=True)
class TrendPage:
    """Everything the template shows.

    ingests are oldest first; runs newest first, each below its parent; corpora that drift come first.
    """

    workspace: str
    runs: tuple[RunRecord, ...]
    all_runs: int
    ingests: tuple[Ingested, ...]
    refusals: tuple[Refusal, ...]
    corpora: tuple[CorpusTrend, ...]

    @property
    def warned(self) -> tuple[CorpusTrend, ...]:
        """Corpora that drifted beyond their limit when clips came in last."""
        return tuple(one for one in self.corpora if one.last.beyond)


def gather_trend(settings: Settings) -> TrendPage:
    """Read the runs of the workspace of the settings.

    Raises: WorkspaceError - there is none, or the table is unreadable.
    """
    ws = Workspace.open(settings.workspace)
    found = runs(ws)
    ingests = tuple(one for run in reversed(found) if (one := _ingested(run)) is not None)[-COLUMNS:]
    return TrendPage(
        ws.root, tuple(under_parents(found[:ROWS])), len(found), ingests, _refusals(ingests), _corpora(found)
    )


def _ingested(run: RunRecord) -> Ingested | None:
    step = run.named("analyse") if run.flow == "ingest" else None
    if step is None or not step.files:
        return None
    clips, media_s = step.clips or 0, step.media_s or 0.0
    return Ingested(
        run=run,
        files=step.files,
        clips=clips,
        hours=media_s / 3600,
        gigabytes=(step.bytes or 0) / 1e9,
        errors=step.errors or 0,
        factor=media_s / step.seconds if step.seconds else None,
        shares=_shares(step, clips),
    )


def _shares(step: Step, clips: int) -> dict[str, float]:
    """Refusals as shares: of the clips that came out, and for whole files of the files that ended anyhow."""
    files = sum(step.facts.get("states", {}).values())
    wholes = {"file": files, "stage1": clips, "stage2": clips}
    reasons = step.facts.get("reasons", {})
    return {name: count / wholes[name.partition(":")[0]] for name, count in reasons.items()}


def _refusals(ingests: Sequence[Ingested]) -> tuple[Refusal, ...]:
    weight: Counter[str] = Counter()
    for one in ingests:
        weight.update(one.shares)
    found = []
    for name in sorted(weight, key=lambda name: (_order(name), -weight[name], name)):
        stage, code = name.split(": ")
        shares = tuple(one.shares.get(name, 0.0) if stage == "file" or one.clips else None for one in ingests)
        found.append(Refusal(stage, code, sentence(code), shares))
    return tuple(found)


def _order(name: str) -> int:
    return ("stage1", "stage2", "file").index(name.partition(":")[0])


def _corpora(found: Sequence[RunRecord]) -> tuple[CorpusTrend, ...]:
    by_corpus: dict[str, list[Arrival]] = {}
    for run in reversed(found):
        for step in run.corpora(STEP):
            if step.corpus is not None:
                drift = drift_of(step.corpus, step.clips or 0, step.facts)
                by_corpus.setdefault(step.corpus, []).append(Arrival(run.started_utc, drift))
    trends = [CorpusTrend(corpus, tuple(arrivals[-COLUMNS:])) for corpus, arrivals in by_corpus.items()]
    return tuple(sorted(trends, key=lambda one: (-len(one.last.beyond), one.corpus)))


def drift_cells(trend: CorpusTrend, signal: str) -> list[dict[str, Any]]:
    """One signal of a corpus over its arrivals, for the template: distance, whether beyond the limit, and words."""
    cells = []
    for arrival in trend.arrivals:
        one = next((found for found in arrival.drift.signals if found.signal == signal), None)
        cells.append({"drift": one, "beyond": one is not None and one.is_beyond(arrival.drift.limit)})
    return cells

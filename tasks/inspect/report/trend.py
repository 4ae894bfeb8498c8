"""Content of the page about runs, from the table `metrics`: speed, refusals, drift, and every run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.inspect.explain import sentence
from heterodub.tasks.monitoring.drift import STEP, CorpusDrift, drift_of
from heterodub.tasks.monitoring.runs import RunRecord, Step, runs, under_parents
from heterodub.tasks.stores.workspace import Workspace

COLUMNS: Final = 24
"""Ingests that charts and tables have room for, the newest ones."""

ROWS: Final = 60
"""Runs that are listed, the newest ones."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """Numbers of one ingest. factor: seconds of picture a second. shares: of clips, or files, by reason."""

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
    """Reason and its share in each ingest, as in TrendPage.ingests; None where there was nothing to refuse."""

    stage: str
    code: str
    text: str
    shares: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Clips that came into a corpus with one run, compared with the release before."""

    started_utc: str
    drift: CorpusDrift


@dataclass(frozen=True, slots=True)
class CorpusTrend:
    """A corpus over runs, oldest first."""

    corpus: str
    arrivals: tuple[Arrival, ...]

    @property
    def last(self) -> CorpusDrift:
        """Drift of the newest clips."""
        return self.arrivals[-1].drift


@dataclass(frozen=True, slots=True)
class TrendPage:
    """Content of the page.

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
        return tuple(corpus for corpus in self.corpora if corpus.last.beyond)


def gather_trend(settings: Settings) -> TrendPage:
    """Read the runs of the workspace of the settings.

    Raises: WorkspaceError - there is none, or the table is unreadable.
    """
    ws = Workspace.open(settings.workspace)
    records = runs(ws)
    ingests = tuple(ingest for run in reversed(records) if (ingest := _ingested(run)) is not None)[-COLUMNS:]
    return TrendPage(
        ws.root, tuple(under_parents(records[:ROWS])), len(records), ingests, _refusals(ingests), _corpora(records)
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
    """Return refusals as shares: of all clips, and for whole files of all files."""
    files = sum(step.facts.get("states", {}).values())
    wholes = {"file": files, "stage1": clips, "stage2": clips}
    reasons = step.facts.get("reasons", {})
    return {name: count / wholes[name.partition(":")[0]] for name, count in reasons.items()}


def _refusals(ingests: Sequence[Ingested]) -> tuple[Refusal, ...]:
    weight: Counter[str] = Counter()
    for ingest in ingests:
        weight.update(ingest.shares)
    refusals = []
    for name in sorted(weight, key=lambda name: (_order(name), -weight[name], name)):
        stage, code = name.split(": ")
        shares = tuple(ingest.shares.get(name, 0.0) if stage == "file" or ingest.clips else None for ingest in ingests)
        refusals.append(Refusal(stage, code, sentence(code), shares))
    return tuple(refusals)


def _order(name: str) -> int:
    return ("stage1", "stage2", "file").index(name.partition(":")[0])


def _corpora(records: Sequence[RunRecord]) -> tuple[CorpusTrend, ...]:
    by_corpus: dict[str, list[Arrival]] = {}
    for run in reversed(records):
        for step in run.corpora(STEP):
            if step.corpus is not None:
                drift = drift_of(step.facts)
                by_corpus.setdefault(step.corpus, []).append(Arrival(run.started_utc, drift))
    trends = [CorpusTrend(corpus, tuple(arrivals[-COLUMNS:])) for corpus, arrivals in by_corpus.items()]
    return tuple(sorted(trends, key=lambda trend: (-len(trend.last.beyond), trend.corpus)))


def drift_cells(trend: CorpusTrend, signal: str) -> list[dict[str, Any]]:
    """Return one signal of a corpus over its arrivals, for the template: its drift, and if it is beyond the limit."""
    cells = []
    for arrival in trend.arrivals:
        drift = next((shift for shift in arrival.drift.signals if shift.signal == signal), None)
        cells.append({"drift": drift, "beyond": drift is not None and drift.is_beyond(arrival.drift.limit)})
    return cells


def axis(quantiles: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the range of a chart of quantiles."""
    low, high = min(ends[0] for ends in quantiles), max(ends[-1] for ends in quantiles)
    return (low, high) if high > low else (low - 0.5, high + 0.5)

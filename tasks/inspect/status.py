"""Status of a workspace: tables, files, clips, releases, and the policies and extractors behind them."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import pyarrow.compute as pc

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import FileState
from heterodub.schemas.tables import LAYOUT_VERSION, TABLES
from heterodub.tasks.monitoring.runs import RunRecord, runs, under_parents
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.lines import LineProgress, progress_of
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.tables import TableSize
from heterodub.tasks.stores.workspace import Workspace

from .routes import count_routes

RUNS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """Policy in force."""

    name: str
    version: int
    hash: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that `status` reports. Runs and releases are newest first; dictionaries count rows, largest first."""

    workspace: str
    layout_version: int
    heterodub: str
    extractor: str
    """Extractor of the settings in force; what another one made is measured again by the next ingest."""
    policy: PolicyFacts
    tables: tuple[TableSize, ...]
    files: dict[str, int]
    clips: dict[str, int]
    extractors: dict[str, int]
    """Files by the extractor that worked on them."""
    policies: dict[str, int]
    """Clips by the hash of the policy that decided."""
    releases: tuple[Release, ...]
    lines: tuple[LineProgress, ...]
    """Lines of other extractors than the one in use: that of the settings in force, and others that were begun."""
    runs: tuple[RunRecord, ...]
    """Runs of flows: the newest, and all that are under way, each below its parent.

    Read from the workspace itself, not from a server.
    """


def status(settings: Settings) -> Status:
    """Read the status of the workspace of the settings.

    Raises: WorkspaceError - there is none, or a table is unreadable.
    """
    ws = Workspace.open(settings.workspace)
    policy = policy_in_force(ws, settings)
    catalog = tables.read_any(ws, "catalog", ["state", "extractor"])
    clips = tables.read_any(ws, "clips", ["stage1", "stage2", "policy"])
    states = _counts(catalog["state"])
    return Status(
        workspace=ws.root,
        layout_version=LAYOUT_VERSION,
        heterodub=version("heterodub"),
        extractor=settings.extractor,
        policy=PolicyFacts(policy.name, policy.version, policy.hash),
        tables=tuple(tables.size(ws, table) for table in TABLES),
        files={str(state): states.get(str(state), 0) for state in FileState},
        clips=count_routes(clips),
        extractors=_counts(catalog["extractor"]),
        policies=_counts(clips["policy"]),
        releases=tuple(reversed(releases.every(ws))),
        lines=_lines(ws, settings.extractor),
        runs=_recent(runs(ws)),
    )


def _lines(ws: Workspace, extractor: str) -> tuple[LineProgress, ...]:
    others = sorted({line.line for line in standing_by(ws)} - {extractor})
    return tuple(progress for name in (extractor, *others) if (progress := progress_of(ws, name)))


def _recent(records: list[RunRecord]) -> tuple[RunRecord, ...]:
    recent = [run for number, run in enumerate(records) if number < RUNS_SHOWN or run.state == "running"]
    return tuple(under_parents(recent))


def _counts(column: Any) -> dict[str, int]:
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

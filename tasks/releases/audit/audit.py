"""Audit between writing and publishing: every expectation on every row of the given table versions."""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from schemas.config.settings import ClipSettings
from schemas.errors import AuditFailedError
from schemas.expectations import suites
from schemas.reasons import Stage
from tasks.releases.releases import Release
from tasks.stores.delta import snapshot
from tasks.stores.workspace import Workspace

from .checks import ExpectationResult, run_suites
from .frames import all_frames
from .page import write_page

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditResult:
    """Result of an audit. `rows` counts the rows of each table, `page` is the readable account of it."""

    checks: tuple[ExpectationResult, ...]
    rows: Mapping[str, int]
    seconds: float
    page: Path

    @property
    def passed(self) -> bool:
        """True if every expectation was met."""
        return not self.failures

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """Expectations that were not met."""
        return tuple(check for check in self.checks if not check.passed)

    def summary(self) -> dict[str, Any]:
        """Return what a release stores of it."""
        return {
            "passed": self.passed,
            "expectations": len(self.checks),
            "rows": dict(self.rows),
            "seconds": round(self.seconds, 1),
            "failures": [asdict(check) for check in self.failures],
        }

    def require(self) -> None:
        """Raise if any expectation was not met.

        Raises: AuditFailedError - its text names tables, expectations and rows.
        """
        if self.failures:
            failures = "; ".join(_sentence(check) for check in self.failures[:10])
            more = f"; and {len(self.failures) - 10} more" if len(self.failures) > 10 else ""
            raise AuditFailedError(f"nothing was published: {failures}{more}. All of it: {self.page}")


def audit(
    ws: Workspace,
    versions: Mapping[str, int],
    docs_folder: str | Path,
    settings: ClipSettings | None = None,
    last: Release | None = None,
) -> AuditResult:
    """Check the given versions of catalog, clips, stage1 and stage2; Data Docs and audit.html go to `docs_folder`.

    `settings` are those the clips were cut with. Payload files that the release `last` holds are not counted again;
    what compares rows with each other or with other tables always covers every row.

    Raises: NotFoundError - there is no such version. OSError - the folder cannot be written.
    """
    started, folder = time.monotonic(), Path(docs_folder)
    folder.mkdir(parents=True, exist_ok=True)
    frames = all_frames(ws, versions, _payload_files(ws, last) if last else {})
    checks = run_suites(suites(settings or ClipSettings()), frames, folder)
    rows = {table: len(frame) for table, frame in frames.items()}
    seconds = time.monotonic() - started
    page = write_page(folder, checks, rows, seconds)
    result = AuditResult(tuple(checks), rows, seconds, page)
    _LOG.info("audit: %d expectations, %d failed, %.1f s", len(checks), len(result.failures), seconds)
    return result


def _payload_files(ws: Workspace, release: Release) -> dict[str, set[tuple[str, int]]]:
    files = {stage.value: snapshot(ws, stage.value, release.versions[stage.value]).files for stage in Stage}
    return {table: {(file.name, file.size_bytes) for file in held} for table, held in files.items()}


def _sentence(check: ExpectationResult) -> str:
    if check.error:
        return f"{check.table}: '{check.name}' could not be checked ({check.error})"
    named = ", ".join(check.examples[:3])
    rows = "1 row" if check.failed_count == 1 else f"{check.failed_count} rows"
    return f"{check.table}: '{check.name}' fails for {rows}, such as {named}"

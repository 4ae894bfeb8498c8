"""Audit between writing and publishing: every expectation on every row of the given table versions."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

import pandas as pd

from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.errors import AuditFailedError
from heterodub.schemas.expectations import suites
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.outputs import AUDIT_PAGE
from heterodub.tasks.stores.workspace import Workspace

from .audited_files import checks_ids
from .checks import ExpectationResult, run_suites
from .work import AuditWork

_PHONE: Final = '<meta name="viewport" content="width=device-width, initial-scale=1">'
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.3rem .6rem;vertical-align:top;
border-bottom:1px solid #ddd}code{font-size:.85em;word-break:break-all}.bad{color:#b00020}
.ok{color:#1b6e2c}div{overflow-x:auto}
"""

_LOOKED_INTO: Final = (
    "In brackets: rows of files that had not met these expectations before; others were not looked into again. What "
    "compares rows covers all of them; its pages show those that may contradict others."
)

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
    full: bool = False,
) -> AuditResult:
    """Check the given versions of catalog, clips, stage1 and stage2, and the newest embeddings, which are no part of a
    release; Data Docs and audit.html go to `docs_folder`.

    `settings` are those the clips were cut with. Files that met these checks before, and whose size and time of change
    (or ETag) are the same, are not looked into again, but in a `full` audit; payload of them is not even opened. What
    compares rows with each other or with other tables always covers every row.

    Raises: NotFoundError - there is no such version, or a file of it is gone. WorkspaceError - one is damaged. OSError
    - the folder cannot be written.
    """
    started, folder = time.monotonic(), Path(docs_folder)
    folder.mkdir(parents=True, exist_ok=True)
    each = suites(settings or ClipSettings())
    files = {suite.table: tables.files_of(ws, suite.table, versions.get(suite.table)) for suite in each}
    work = AuditWork(ws, files, checks_ids(each), full)
    alone = {suite.table: (suite.part(across=False), work.fresh_frames(suite.table)) for suite in each}
    compared = [suite.part(across=True) for suite in each]
    across = {
        _across(suite.table): (suite, _contradictions(work, suite.table)) for suite in compared if suite.expectations
    }
    results = run_suites(alone | across, folder)
    if not full:
        work.keep([table for table in files if all(check.passed for check in results[table])])
    checks = [check for table in files for check in (*results[table], *results.get(_across(table), ()))]
    seconds = time.monotonic() - started
    page = _write_page(folder, checks, work.rows, work.fresh_rows, seconds)
    result = AuditResult(tuple(checks), work.rows, seconds, page)
    _LOG.info("audit: %d expectations, %d failed, %.1f s", len(checks), len(result.failures), seconds)
    return result


def _across(table: str) -> str:
    """Name of the suite and the pages of a table's expectations across rows."""
    return f"{table}-across"


def _contradictions(work: AuditWork, table: str) -> Iterator[pd.DataFrame]:
    yield work.contradictions[table]


def _sentence(check: ExpectationResult) -> str:
    if check.error:
        return f"{check.table}: '{check.name}' could not be checked ({check.error})"
    named = ", ".join(check.examples[:3])
    rows = "1 row" if check.failed_count == 1 else f"{check.failed_count} rows"
    return f"{check.table}: '{check.name}' fails for {rows}, such as {named}"


def _write_page(
    folder: Path, checks: list[ExpectationResult], rows: dict[str, int], fresh: dict[str, int], seconds: float
) -> Path:
    """Write the page into `folder` and return its path. It needs no network, as Great Expectations' own pages do."""
    failed = [check for check in checks if not check.passed]
    outcome = f'<p class="bad">{len(failed)} failed</p>' if failed else '<p class="ok">All met</p>'
    counted = ", ".join(f"{table} {count} ({fresh[table]})" for table, count in rows.items())
    body = [
        f"<h1>Audit</h1>{outcome}",
        f"<p>{len(checks)} expectations in {seconds:.1f} s over rows: {escape(counted)}. {_LOOKED_INTO}</p>",
        *([f"<h2>Failed</h2>{_table(failed)}"] if failed else []),
        f"<h2>Everything checked</h2>{_table(checks)}",
        f"<p>Great Expectations Data Docs: {', '.join(_links(folder, rows))}.</p>",
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8">{_PHONE}<title>Audit</title><style>{_STYLE}</style>'
    path = folder / AUDIT_PAGE
    path.write_text(head + "\n".join(body) + "</html>\n", "utf-8")
    return path


def _links(folder: Path, table_names: Iterable[str]) -> list[str]:
    """Return links to the newest Data Docs of each table, and of its expectations across rows."""
    names = [name for table in table_names for name in (table, _across(table))]
    newest = {name: max((folder / "validations" / name).rglob("*.html"), default=None) for name in names}
    return [
        f'<a href="{escape(page.relative_to(folder).as_posix())}">{escape(name)}</a>'
        for name, page in newest.items()
        if page
    ]


def _table(checks: list[ExpectationResult]) -> str:
    head = "<tr><th>table<th>expectation<th>meaning<th>rows that fail<th>such as</tr>"
    return f"<div><table>{head}{''.join(_row(check) for check in checks)}</table></div>"


def _row(check: ExpectationResult) -> str:
    failed = f'<span class="bad">{escape(check.error) or check.failed_count}</span>'
    named = "<br>".join(f"<code>{_printable(name)}</code>" for name in check.examples)
    outcome = '<span class="ok">none</span>' if check.passed else failed
    return (
        f"<tr><td>{escape(check.table)}<td>{escape(check.name)}<td>{escape(check.meaning)}<td>{outcome}<td>{named}</tr>"
    )


def _printable(name: str) -> str:
    return escape(name.encode("utf-8", "replace").decode("utf-8"))

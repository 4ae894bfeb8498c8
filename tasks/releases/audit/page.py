"""A static page of what was checked and what failed. Great Expectations' own pages need the internet."""

from html import escape
from pathlib import Path
from typing import Final

from .checks import ExpectationResult

PAGE: Final = "audit.html"

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.3rem .6rem;vertical-align:top;
border-bottom:1px solid #ddd}code{font-size:.85em;word-break:break-all}.bad{color:#b00020}
.ok{color:#1b6e2c}
"""


def write_page(folder: Path, checks: list[ExpectationResult], rows: dict[str, int], seconds: float) -> Path:
    """Write the page into `folder` and return its path. It needs no other file and no network."""
    failed = [check for check in checks if not check.passed]
    outcome = f'<p class="bad">{len(failed)} failed</p>' if failed else '<p class="ok">All met</p>'
    counted = ", ".join(f"{table} {count}" for table, count in rows.items())
    body = [
        f"<h1>Audit</h1>{outcome}",
        f"<p>{len(checks)} expectations in {seconds:.1f} s over rows: {escape(counted)}.</p>",
        *([f"<h2>Failed</h2>{_table(failed)}"] if failed else []),
        f"<h2>Everything checked</h2>{_table(checks)}",
        '<p><a href="index.html">Great Expectations Data Docs</a> (styled only with internet access)</p>',
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Audit</title><style>{_STYLE}</style>'
    path = folder / PAGE
    path.write_text(head + "\n".join(body) + "</html>\n", "utf-8")
    return path


def _table(checks: list[ExpectationResult]) -> str:
    head = "<tr><th>table<th>expectation<th>meaning<th>rows that fail<th>such as</tr>"
    return f"<table>{head}{''.join(_row(check) for check in checks)}</table>"


def _row(check: ExpectationResult) -> str:
    failed = f'<span class="bad">{escape(check.error) or check.failed_count}</span>'
    named = "<br>".join(f"<code>{_printable(name)}</code>" for name in check.examples)
    outcome = '<span class="ok">none</span>' if check.passed else failed
    return (
        f"<tr><td>{escape(check.table)}<td>{escape(check.name)}<td>{escape(check.meaning)}<td>{outcome}<td>{named}</tr>"
    )


def _printable(name: str) -> str:
    return escape(name.encode("utf-8", "replace").decode("utf-8"))

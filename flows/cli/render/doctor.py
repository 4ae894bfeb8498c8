"""Rendering of the findings of `doctor` on a terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from flows.cli.render.tables import cell, console
from schemas.display import visible

if TYPE_CHECKING:
    from tasks.inspect.findings import Finding

_HEALTH: Final = {"ok": ("ok", "green"), "warning": ("WARNING", "yellow"), "problem": ("PROBLEM", "bold red")}


def show_findings(findings: Iterable["Finding"]) -> None:
    """Print all findings of `doctor`, each problem with its remedy."""
    out = console()
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            out.print(cell(area, "bold"))
        word, style = _HEALTH[finding.health]
        line = cell(f"  {word:<8}", style)
        line.append(
            visible(f"{finding.what}: {finding.detail}" if finding.detail else finding.what), style="not bold default"
        )
        out.print(line, soft_wrap=True)
        if finding.remedy:
            out.print(cell(f"           -> {finding.remedy}"), soft_wrap=True)

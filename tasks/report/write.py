"""Writes the page: the template filled in, one file that needs nothing else."""

import os
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from schemas.errors import WorkspaceError
from schemas.settings import Settings
from tasks.answers.names import SHORT_ID, base_name, readable_path, visible
from tasks.stores.workspace import Workspace

from .gather import Page, gather


def write_report(settings: Settings, clips: tuple[str, ...] = (), output: Path | None = None) -> str:
    """Write the page about the workspace of the settings and return where it is.

    `clips` are starts of ids of clips to show in detail besides those that are picked. Without `output` it goes to
    reports/ingest.html of the workspace.

    Raises: NotFoundError - no such clip. WorkspaceError - there is no workspace, or the page cannot be written.
    """
    page = render(gather(settings, clips)).encode("utf-8")
    ws = Workspace.open(settings.workspace)
    try:
        if output is not None:
            return _put(output.expanduser().absolute(), page)
        if ws.is_local:
            return _put(Path(ws.folder("reports")) / "ingest.html", page)
        with ws.filesystem().open(f"{ws.folder('reports')}/ingest.html", "wb") as file:
            file.write(page)
    except OSError as error:
        raise WorkspaceError(f"the report cannot be written: {error}") from error
    return f"{ws.root}/reports/ingest.html"


def render(page: Page) -> str:
    """The page as HTML; every text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    filters: dict[str, Callable[[Any], str]] = {
        "visible": visible,
        "path": readable_path,
        "name": base_name,
        "short": lambda text: str(text)[:SHORT_ID],
        "figure": _figure,
        "length_text": _length,
    }
    environment.filters.update(filters)
    template = environment.from_string(_text("page.html"))
    return template.render(page=page, css=Markup(_text("page.css")), js=Markup(_text("page.js")))


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _figure(value: float | None) -> str:
    if value is None:
        return "\u2013"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _put(path: Path, page: bytes) -> str:
    """Whole or not at all: a reader never sees half a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".html", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(page)
        unfinished.chmod(0o644)  # mkstemp's 0600 would keep the page from everyone else
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return str(path)

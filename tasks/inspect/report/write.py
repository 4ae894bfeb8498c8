"""Writing of the pages: each a self-contained file from a template."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from heterodub.model.files import write_atomic
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import SHORT_ID, base_name, message_of, readable_path, visible
from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.signals import SIGNALS
from heterodub.tasks.releases.releases import named
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.outputs import AUDIT_PAGE, require_own_page
from heterodub.tasks.stores.workspace import Workspace

from .changes_page import ChangesPage, gather_changes, totals
from .gather import ReportPage, gather
from .route_changes import RouteChanges, changes_by_policy, changes_since, describe_changes
from .trend import TrendPage, axis, drift_cells, gather_trend


def write_report(
    settings: Settings, clips: tuple[str, ...] = (), output: Path | None = None, media: str = "some"
) -> str:
    """Write the page about the workspace of the settings and return where it is.

    `clips` are starts of ids of clips to show in detail besides those that are picked.
    `media`: see gather.MEDIA_BYTES. Without `output` it goes to
    reports/ingest.html of the workspace.

    Raises: NotFoundError - no such clip. WorkspaceError - there is no workspace, the page cannot be written, or
    something else is there.
    """
    require_own(output, "report")
    return write_page(
        settings, render(gather(settings, clips, media), _audit_link(settings, output)), "ingest.html", output
    )


def write_trend(settings: Settings, output: Path | None = None) -> str:
    """Write the page about its runs; without `output` it goes to reports/trend.html.

    Raises: WorkspaceError - there is no workspace, the page cannot be written, or something else is there.
    """
    require_own(output, "trend")
    return write_page(settings, render_trend(gather_trend(settings)), "trend.html", output)


def write_changes(settings: Settings, against: str, output: Path | None = None, media: str = "some") -> dict[str, Any]:
    """Write the page about what moved, and return a summary of it with the place of the page.

    against: a policy file, for what it would change; or the id of a release, or newest, for what changed since. Without
    `output` it goes to reports/changes.html.

    Raises: NotFoundError - it is neither, or the release was erased. SettingsError - the policy is damaged.
    WorkspaceError - there is no workspace, the page cannot be written, or something else is there.
    """
    require_own(output, "changes")
    changes = _changes(settings, against)
    page = write_page(settings, render_changes(gather_changes(settings, changes, media)), "changes.html", output)
    return describe_changes(changes) | {"page": page}


def _changes(settings: Settings, against: str) -> RouteChanges:
    ws = Workspace.open(settings.workspace)
    standing = policy_in_force(ws, settings)
    if against.lower().endswith(".toml") or Path(against).is_file():
        return changes_by_policy(ws, load_policy(against), standing)
    return changes_since(ws, named(ws, None if against == "newest" else against), standing)


def require_own(output: Path | None, kind: str) -> None:
    """Refuse to replace what is no page of that kind. Raises: WorkspaceError - something else is there."""
    if output is not None:
        require_own_page(output.expanduser(), kind)


def write_page(settings: Settings, page: str, name: str, output: Path | None) -> str:
    """Write a page to `output`, else below that name to reports/; returns its place.

    Raises: WorkspaceError - it cannot be written.
    """
    ws = Workspace.open(settings.workspace)
    try:
        if output is not None:
            return _put(output.expanduser().absolute(), page.encode())
        if ws.is_local:
            return _put(Path(ws.folder("reports")) / name, page.encode())
        with ws.filesystem().open(f"{ws.folder('reports')}/{name}", "wb") as file:
            file.write(page.encode())
    except OSError as error:
        raise WorkspaceError(f"the report cannot be written: {message_of(error)}") from error
    return f"{ws.root}/reports/{name}"


def _audit_link(settings: Settings, output: Path | None) -> str:
    """Return the address of the audit from the report's own place; empty for a report elsewhere, or without audit."""
    ws = Workspace.open(settings.workspace)
    beside = output is None and ws.filesystem().exists(ws.path(f"audit/{AUDIT_PAGE}"))
    return f"../audit/{AUDIT_PAGE}" if beside else ""


def render(page: ReportPage, audit: str = "") -> str:
    """Render the page as HTML; every text is escaped. audit: address of the audit's page."""
    return fill_page("page.html", page=page, audit=audit)


def render_changes(page: ChangesPage) -> str:
    """Render the page about what moved as HTML; every text is escaped."""
    return fill_page("changes.html", page=page, totals=totals(page.changes))


def render_trend(page: TrendPage) -> str:
    """Render the page about runs as HTML; every text is escaped."""
    labels = [ingest.run.started_utc[5:16].replace("T", " ") for ingest in page.ingests]
    colours = {"stage1": "47,102,168", "stage2": "168,101,26", "file": "92,102,117"}
    by_stage = [
        (stage, colour, [refusal for refusal in page.refusals if refusal.stage == stage])
        for stage, colour in colours.items()
    ]
    return fill_page(
        "trend.html",
        page=page,
        css=Markup(_text("page.css") + _text("trend.css")),
        labels=labels,
        speeds=[
            ("Analysis", "times real time", [ingest.factor for ingest in page.ingests]),
            ("Footage", "hours", [ingest.hours for ingest in page.ingests]),
            ("Files", "", [float(ingest.files) for ingest in page.ingests]),
            ("Quarantined files", "", [float(ingest.errors) for ingest in page.ingests]),
        ],
        refusals=[part for part in by_stage if part[2]],
        signals=SIGNALS,
        units={signal.name: signal.unit for signal in SIGNALS},
        meanings={signal.name: signal.meaning for signal in SIGNALS},
        drift_cells=drift_cells,
    )


def fill_page(template: str, **values: Any) -> str:
    """Render a template of this folder as HTML; every text is escaped."""
    texts = {"css": Markup(_text("page.css")), "js": Markup(_text("page.js"))}
    return environment().get_template(template).render(texts | values)


def environment() -> Environment:
    """Return the environment of the templates; charts.html and clips.html hold macros, base.html a frame."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_text)
    )
    environment.globals["axis"] = axis
    filters: dict[str, Callable[[Any], str]] = {
        "visible": visible,
        "path": readable_path,
        "name": base_name,
        "short": lambda text: str(text)[:SHORT_ID],
        "figure": _figure,
        "length_text": _length,
        "hours": lambda hours: _length(3600 * hours),
    }
    environment.filters.update(filters)
    return environment


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
    """Write a page atomically; returns its path."""
    write_atomic(path, page)
    return str(path)

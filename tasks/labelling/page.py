"""The page on which people label drawn clips: one file that works offline, and does not show what the policy says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel

from heterodub.model.files import write_atomic
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.policy import REASON_OF, Stage1Limits, Stage2Limits
from heterodub.schemas.reasons import Stage
from heterodub.tasks.inspect.report.snippets import FilmLook, snippets
from heterodub.tasks.labelling.sampling import LabelDraw, draw_clips
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.outputs import require_own_page
from heterodub.tasks.stores.workspace import Workspace

PAGE: Final = "labels.html"
FILMS_BYTES: Final = 120_000_000
"""Films of a page, as written into it, stay below this: some 300 kB a clip."""

_LOOK: Final = FilmLook(640, 20)
"""Sharpness has to be seen, which a report's small films hide."""

_LIMITS_S: Final = (120.0, 1800.0)

_LIMITS: Final[Mapping[Stage, type[BaseModel]]] = {Stage.STAGE1: Stage1Limits, Stage.STAGE2: Stage2Limits}


@dataclass(frozen=True, slots=True)
class LabelPage:
    """A page that was written. shown: clips on it; drawn: clips of the draw, of which some had no film. strata: clips
    drawn, and clips there are, of each stratum.
    """

    page: str
    draw: str
    drawn: int
    shown: int
    megabytes: float
    strata: Mapping[str, tuple[int, int]]


def write_label_page(settings: Settings, count: int, folder: Path | None, seed: int = 0) -> LabelPage:
    """Draw clips and write the page to label them on. folder: None: reports/ of a workspace on this machine.

    Raises: NotFoundError - no clip is left to draw. WorkspaceError - no drawn clip can be played, or the page cannot be
    written, or something else is there.
    """
    ws = Workspace.open(settings.workspace)
    if folder is None and not ws.is_local:
        raise WorkspaceError("the workspace is not on this machine: name a folder for the page with --output")
    path = (folder.expanduser().absolute() if folder else Path(ws.folder("reports"))) / PAGE
    require_own_page(path, "label")
    drawn = draw_clips(ws, policy_in_force(ws, settings), count, seed)
    catalog = {row["uri"]: row for row in tables.read_any(ws, "catalog").to_pylist()}
    films = snippets([clip.row for clip in drawn.clips], catalog, settings, FILMS_BYTES, _LOOK, _LIMITS_S)
    if not films:
        raise WorkspaceError("no drawn clip can be played: its file is away, changed, or on another machine")
    page = render(drawn, films).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, page)
    except OSError as error:
        raise WorkspaceError(f"the page cannot be written: {message_of(error)}") from error
    return LabelPage(str(path), drawn.draw, len(drawn.clips), len(films), round(len(page) / 1e6, 1), drawn.strata)


def render(drawn: LabelDraw, films: Mapping[str, str]) -> str:
    """Render the page as HTML. It holds ids and films of the clips, and neither their files nor any verdict."""
    items = [
        {"clip": clip.clip_id, "film": films[clip.clip_id].partition(",")[2], "stages": [*map(str, clip.reasons)]}
        for clip in drawn.clips
        if clip.clip_id in films
    ]
    data = {"draw": drawn.draw, "items": items, "reasons": {str(stage): _reasons(stage) for stage in Stage}}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    embedded = Markup(json.dumps(data).replace("<", "\\u003c"))
    template = environment.from_string(_text("label.html"))
    return template.render(css=Markup(_text("label.css")), js=Markup(_text("label.js")), data=embedded)


def _reasons(stage: Stage) -> list[dict[str, Any]]:
    """Return every reason for which a stage may refuse a clip, with its sentence."""
    reasons = {REASON_OF[field] for field in _LIMITS[stage].model_fields if field in REASON_OF}
    return [{"code": reason.value, "text": reason.explanation} for reason in sorted(reasons)]


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")

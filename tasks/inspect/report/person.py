"""The page of a person: faces, and clips to watch and hear, doubtful ones first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.tables import CATALOG
from heterodub.tasks.identity.corrections import read_corrections
from heterodub.tasks.identity.doubts import with_standing_doubts
from heterodub.tasks.identity.listing import PersonRow, find_person, people_of
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import policy_in_force
from heterodub.tasks.stores.scan import read_where
from heterodub.tasks.stores.where import among
from heterodub.tasks.stores.workspace import Workspace

from .choice import Choice
from .pictures import ClipPictures
from .snippets import snippets
from .write import fill_page, require_own, write_page

_FILMS_BYTES: Final = 30_000_000

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PersonPage:
    """Content of the page. clips: rows of the clips on it; pictures and films: data URIs by clip."""

    workspace: str
    person: PersonRow
    clips: tuple[Row, ...]
    pictures: Mapping[str, str]
    films: Mapping[str, str]


def write_person(settings: Settings, name: str, output: Path | None = None, most: int = 60) -> dict[str, Any]:
    """Write the page of a person and return a summary with its place; without `output` it goes to reports/. most: clips
    on it.

    Raises: NotFoundError - nobody is called so. WorkspaceError - there is no workspace, the page cannot be written, or
    something else is there.
    """
    require_own(output, "person")
    page = gather_person(settings, name, most)
    person = page.person.person
    place = write_page(settings, fill_page("person.html", page=page), f"person-{person}.html", output)
    return {"person": person, "clips": len(page.clips), "films": len(page.films), "page": place}


def gather_person(settings: Settings, name: str, most: int) -> PersonPage:
    """Gather the clips of a person, with pictures and films. Raises: as write_person."""
    ws = Workspace.open(settings.workspace)
    person = find_person(ws, name)
    clips = tables.read(ws, "clips", filter=pc.field("person") == person)
    rows = with_standing_doubts(clips, read_corrections(ws)).to_pylist()
    chosen = _chosen(rows, most)
    uris = {row["uri"] for row in chosen}
    catalog = {row["uri"]: row for row in read_where(ws, "catalog", CATALOG.names, among("uri", uris)).to_pylist()}
    shown = frozenset(row["clip_id"] for row in chosen)
    policy = policy_in_force(ws, settings)
    pictures, _ = ClipPictures(ws, settings, policy, Choice({}, {}, shown, ()), chosen, catalog).build()
    return PersonPage(
        ws.root, people_of(ws, person)[0], chosen, pictures, snippets(chosen, catalog, settings, _FILMS_BYTES)
    )


def _chosen(rows: Sequence[Row], most: int) -> tuple[Row, ...]:
    """Return doubtful clips, then one of each file in turn, the longest first."""
    turns: dict[str, int] = {}
    ranked = []
    for row in sorted(rows, key=lambda row: (-row["frames"], row["clip_id"])):
        turns[row["media_id"]] = turns.get(row["media_id"], 0) + 1
        ranked.append((row["person_doubt"] is None, turns[row["media_id"]], row["uri"], row["start_frame"], row))
    return tuple(entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1])[:most])

"""Do ledger and registry agree on who is champion, and is the frozen benchmark whole."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from schemas.cards import GENERATOR, TRANSLATOR
from schemas.config.settings import Settings
from schemas.errors import HeterodubError, SettingsError, WorkspaceError
from schemas.reasons import Stage
from schemas.wording import counted
from tasks.promotion.alias_moves import ADOPT, CHOOSE, stranger
from tasks.promotion.eligibility import TAKEN_DOWN
from tasks.promotion.ledger import Move, champions, moves
from tasks.releases import benchmarks, releases
from tasks.stores.workspace import Workspace
from tasks.tracking.address import place_of

from . import reading
from .findings import Finding, good, problem, warning

if TYPE_CHECKING:
    from tasks.tracking.store import Tracking

_PUT_RIGHT = "the next `heterodub promote STAGE` or rollback puts it right before anything else"


def check_promotions(settings: Settings) -> list[Finding]:
    """Look at benchmarks and champions; makes nothing. A workspace that cannot be opened is told by check_workspace."""
    try:
        ws = Workspace.open(settings.workspace)
    except WorkspaceError:
        return []
    return [*_benchmarks(ws), *_champions(ws, settings)]


def _benchmarks(ws: Workspace) -> Iterator[Finding]:
    if not (reading.exists(ws, "benchmarks") and reading.exists(ws, "releases")):
        return
    last = releases.latest(ws)
    for stage in Stage if last else ():
        try:
            found = benchmarks.standing(ws, stage, last.extractor) if last else None
            if found is None:
                continue
            benchmarks.verify(ws, found, releases.current_versions(ws)[stage.value])
        except HeterodubError as error:
            remedy = "until then nothing of this stage can be promoted"
            yield problem("promotion", f"{stage} benchmark", str(error), remedy)
        else:
            clips, speakers = counted(len(found.clips), "clip"), counted(found.speakers, "speaker")
            told = f"{found.benchmark}, {clips} of {speakers}, all as they were frozen"
            yield good("promotion", f"{stage} benchmark", told)


def _champions(ws: Workspace, settings: Settings) -> Iterator[Finding]:
    known = moves(ws)
    for model in sorted({move.model for move in known}):
        yield _champion(ws, settings, model, [move for move in known if move.model == model])
    if settings.tracking.uri is not None:  # a store of our own is led by nobody else
        for model in {GENERATOR, TRANSLATOR} - {move.model for move in known}:
            yield from _led_elsewhere(ws, settings, model)


def _led_elsewhere(ws: Workspace, settings: Settings, model: str) -> Iterator[Finding]:
    """A workspace that trains for another one's champions is well; it should know that it cannot promote."""
    with suppress(HeterodubError, OSError):  # a store that does not answer is check_tracking's to tell
        if told := stranger(_asked(ws, settings), ws, model):
            yield warning("promotion", f"{model} champion", told, f"promote from there, or take it over: {ADOPT}")


def _champion(ws: Workspace, settings: Settings, model: str, own: list[Move]) -> Finding:
    last, what = own[-1], f"{model} champion"
    if not last.is_done:
        told = f"the {last.kind} to version {last.to_version} by {last.who} ({last.created_utc}) was left half done"
        return problem("promotion", what, told, _PUT_RIGHT)
    try:
        tracking = _asked(ws, settings)
        if told := stranger(tracking, ws, model):
            return problem("promotion", what, told, f"promote from there, or take it over: {ADOPT}")
        alias, there = _registered(tracking, model)
    except (HeterodubError, OSError) as error:
        return problem("promotion", what, f"the registry cannot be asked: {error}", "see the tracking store's finding")
    taken = there.get(last.to_version)
    if taken is None:
        told = f"version {last.to_version} by the ledger, but it was deleted from the registry"
        return problem("promotion", what, told, f"{CHOOSE} chooses another")
    if alias != last.to_version:
        told = f"version {last.to_version} by the ledger, but the alias points at {alias or 'nothing'}"
        return problem("promotion", what, told, _PUT_RIGHT)
    if taken:
        told = f"version {last.to_version} was trained on footage that was taken down ({taken})"
        return warning("promotion", what, told, "train anew and promote, or roll back to a clean version")
    return good("promotion", what, f"version {last.to_version} since {last.created_utc}, {len(champions(own))} in line")


def _asked(ws: Workspace, settings: Settings) -> "Tracking":
    place = place_of(settings.tracking, ws)
    if place.database and not place.database.exists():
        raise SettingsError(f"{place.database} is not there")
    from tasks.tracking.store import open_to_ask

    return open_to_ask(place)


def _registered(tracking: "Tracking", model: str) -> tuple[int | None, dict[int, str]]:
    """Where the alias points, and for each version that there is, what of its footage was taken down, if any."""
    from tasks.tracking.registry import CHAMPION, aliased, versions

    alias = aliased(tracking, model, CHAMPION)
    return alias.number if alias else None, {
        version.number: version.tags.get(TAKEN_DOWN, "") for version in versions(tracking, model)
    }

"""Do ledger and registry agree on who is champion, and is the frozen benchmark whole."""

from collections.abc import Iterator

from schemas.errors import HeterodubError, SettingsError, WorkspaceError
from schemas.reasons import Stage
from schemas.settings import Settings
from tasks.promotion.ledger import Move, champions, moves
from tasks.stores import benchmarks, releases
from tasks.stores.workspace import Workspace
from tasks.tracking.place import place_of

from . import reading
from .findings import Finding, good, problem

_PUT_RIGHT = "the next `heterodub promote` or `heterodub rollback` puts it right before anything else"


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
            told = f"{found.benchmark}, {len(found.clips)} clips of {found.speakers} speakers, all as they were frozen"
            yield good("promotion", f"{stage} benchmark", told)


def _champions(ws: Workspace, settings: Settings) -> Iterator[Finding]:
    if not reading.exists(ws, "promotions"):
        return
    known = moves(ws)
    for model in sorted({move.model for move in known}):
        yield _champion(ws, settings, model, [move for move in known if move.model == model])


def _champion(ws: Workspace, settings: Settings, model: str, own: list[Move]) -> Finding:
    last, what = own[-1], f"{model} champion"
    if not last.is_done:
        told = f"the {last.kind} to version {last.to_version} by {last.who} ({last.created_utc}) was left half done"
        return problem("promotion", what, told, _PUT_RIGHT)
    try:
        alias, there = _registered(ws, settings, model)
    except (HeterodubError, OSError) as error:
        return problem("promotion", what, f"the registry cannot be asked: {error}", "see the tracking store's finding")
    if last.to_version not in there:
        told = f"version {last.to_version} by the ledger, but it was deleted from the registry"
        return problem("promotion", what, told, "`heterodub rollback --to VERSION --why TEXT` chooses another")
    if alias != last.to_version:
        told = f"version {last.to_version} by the ledger, but the alias points at {alias or 'nothing'}"
        return problem("promotion", what, told, _PUT_RIGHT)
    return good("promotion", what, f"version {last.to_version} since {last.created_utc}, {len(champions(own))} in line")


def _registered(ws: Workspace, settings: Settings, model: str) -> tuple[int | None, set[int]]:
    """Where the alias points, and which versions there are."""
    place = place_of(settings.tracking, ws)
    if place.database and not place.database.exists():
        raise SettingsError(f"{place.database} is not there")
    from tasks.tracking.registry import CHAMPION, aliased, versions
    from tasks.tracking.store import open_to_ask

    tracking = open_to_ask(place)
    alias = aliased(tracking, model, CHAMPION)
    return alias.number if alias else None, {version.number for version in versions(tracking, model)}

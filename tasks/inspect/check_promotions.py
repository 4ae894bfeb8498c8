"""Check of champions and benchmarks: ledger and registry agree, and the frozen benchmark is whole."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from heterodub.schemas.cards import GENERATOR, TRANSLATOR
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import HeterodubError, SettingsError, WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.schemas.wording import counted
from heterodub.tasks.releases import benchmarks, releases
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.address import place_of
from heterodub.tasks.tracking.ledger import ADOPT, CHOOSE, Move, moves, rollback_line

from . import findings
from .findings import Finding

if TYPE_CHECKING:
    from heterodub.tasks.tracking.champions import Champions

_good, _problem, _warning = (partial(kind, "promotion") for kind in (findings.good, findings.problem, findings.warning))

_REPAIR = "the next `heterodub promote STAGE` or rollback repairs it first"


def check_promotions(settings: Settings) -> list[Finding]:
    """Check benchmarks and champions, read-only. A workspace that cannot be opened is reported by check_workspace."""
    try:
        ws = Workspace.open(settings.workspace)
    except WorkspaceError:
        return []
    return [*_benchmarks(ws), *_champions(ws, settings)]


def _benchmarks(ws: Workspace) -> Iterator[Finding]:
    last = releases.latest(ws)
    for stage in Stage if last else ():
        try:
            frozen = benchmarks.standing(ws, stage, last.extractor) if last else None
            if frozen is None:
                continue
            benchmarks.verify(ws, frozen, releases.current_versions(ws)[stage.value])
        except HeterodubError as error:
            remedy = "until then nothing of this stage can be promoted"
            yield _problem(f"{stage} benchmark", str(error), remedy)
        else:
            clips, speakers = counted(len(frozen.clips), "clip"), counted(frozen.speakers, "speaker")
            detail = f"{frozen.benchmark}, {clips} of {speakers}, all as they were frozen"
            yield _good(f"{stage} benchmark", detail)


def _champions(ws: Workspace, settings: Settings) -> Iterator[Finding]:
    all_moves = moves(ws)
    for model in sorted({move.model for move in all_moves}):
        yield _champion(ws, settings, model, [move for move in all_moves if move.model == model])
    if settings.tracking.uri is not None:  # a store of our own has no other ledger
        for model in {GENERATOR, TRANSLATOR} - {move.model for move in all_moves}:
            yield from _led_elsewhere(ws, settings, model)


def _led_elsewhere(ws: Workspace, settings: Settings, model: str) -> Iterator[Finding]:
    """Warn that a workspace that trains for another one's champions cannot promote."""
    with suppress(HeterodubError, OSError):  # check_tracking reports a store that does not answer
        if detail := _open(ws, settings, model).foreign_ledger():
            yield _warning(f"{model} champion", detail, f"promote from there, or take it over: {ADOPT}")


def _champion(ws: Workspace, settings: Settings, model: str, model_moves: list[Move]) -> Finding:
    last, what = model_moves[-1], f"{model} champion"
    if not last.is_done:
        detail = f"the {last.kind} to version {last.to_version} by {last.who} ({last.created_utc}) was interrupted"
        return _problem(what, detail, _REPAIR)
    try:
        ours = _open(ws, settings, model)
        if detail := ours.foreign_ledger():
            return _problem(what, detail, f"promote from there, or take it over: {ADOPT}")
        alias, registered = _registered(ours)
    except (HeterodubError, OSError) as error:
        return _problem(what, f"the registry cannot be read: {error}", "see the tracking store's finding")
    takedowns = registered.get(last.to_version)
    if takedowns is None:
        detail = f"version {last.to_version} by the ledger, but it was deleted from the registry"
        return _problem(what, detail, f"{CHOOSE} chooses another")
    if alias != last.to_version:
        detail = f"version {last.to_version} by the ledger, but the alias points at {alias or 'nothing'}"
        return _problem(what, detail, _REPAIR)
    if takedowns:
        detail = f"version {last.to_version} was trained on footage that was taken down ({takedowns})"
        return _warning(what, detail, "train again and promote, or roll back to a clean version")
    return _good(what, f"version {last.to_version} since {last.created_utc}, {len(rollback_line(model_moves))} in line")


def _open(ws: Workspace, settings: Settings, model: str) -> "Champions":
    place = place_of(settings.tracking, ws)
    if not place.exists:
        raise SettingsError(f"{place.database} does not exist")
    from heterodub.tasks.tracking.champions import Champions
    from heterodub.tasks.tracking.store import open_at

    return Champions(open_at(place), ws, model)


def _registered(ours: "Champions") -> tuple[int | None, dict[int, str]]:
    """Return the version of the alias, and the takedowns that each registered version was trained on."""
    from heterodub.tasks.tracking.registry import CHAMPION, aliased, versions

    alias = aliased(ours.tracking, ours.model, CHAMPION)
    takedowns = {version.number: version.taken_down for version in versions(ours.tracking, ours.model)}
    return alias.number if alias else None, takedowns

"""All checks of `doctor`, among them those of the tracking store, the champions and the benchmarks."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from heterodub.schemas.cards import GENERATOR, TRANSLATOR
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import counted, message_of
from heterodub.schemas.errors import HeterodubError, ModelFileError, SettingsError, TrackingError, WorkspaceError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases import benchmarks, releases
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.address import TrackingAddress, place_of
from heterodub.tasks.tracking.ledger import ADOPT, CHOOSE, Move, moves, rollback_line

from .check_installation import check_installation
from .check_workspace import check_workspace
from .findings import Finding, good, problem, warning

if TYPE_CHECKING:
    from heterodub.tasks.tracking.champions import Champions


def diagnose(settings: Settings) -> list[Finding]:
    """Check the installation, the policy, the workspace, the tracking store and the champions, read-only."""
    return [
        *check_installation(settings),
        _policy(settings),
        *check_workspace(settings),
        *check_tracking(settings),
        *check_promotions(settings),
    ]


def _policy(settings: Settings) -> Finding:
    try:
        policy = load_policy(settings.policy)
    except SettingsError as error:
        return problem(
            "settings", "policy", str(error), "correct the file, or leave [policy] out to use the default policy"
        )
    return good("settings", "policy", f"{policy.name} {policy.version} ({policy.hash}), {len(policy.rules())} rules")


_WHAT = "store"
_NOT_KEPT = "restore the tracking store from a copy; what the model was made of cannot be traced without it"
_NOT_AS_LOGGED = "restore its files from a copy, or choose another version (`heterodub rollback --reason TEXT`)"


def check_tracking(settings: Settings) -> list[Finding]:
    """Check the tracking store, read-only. A workspace that cannot be opened is reported by check_workspace."""
    return list(_store(settings))


def _store(settings: Settings) -> Iterator[Finding]:
    try:
        place = place_of(settings.tracking, Workspace.open(settings.workspace))
    except WorkspaceError:
        return
    except SettingsError as error:
        yield problem("tracking", _WHAT, str(error), "without it nothing can be trained; ingest needs no tracking")
        return
    if not place.exists:
        yield good("tracking", _WHAT, f"not made yet; the first training makes {place.database}")
        return
    from heterodub.tasks.tracking.deletion import deleted
    from heterodub.tasks.tracking.store import NotAtHomeError, look

    try:
        detail = look(place)
        models = [*_models(place)]
        gone = deleted(place, settings.tracking.experiment)
    except NotAtHomeError as error:
        yield problem("tracking", _WHAT, str(error), "relocate it; until then nothing is trained, deleted or promoted")
        return
    except TrackingError as error:
        yield problem("tracking", _WHAT, str(error), _remedy(place.is_server))
        return
    yield good("tracking", _WHAT, detail)
    yield from models
    for deletion in gone:
        yield problem("tracking", "deleted", deletion.what, deletion.command or _NOT_KEPT)


def _models(place: TrackingAddress) -> Iterator[Finding]:
    """Check each version that an alias points at, its files against its checksums; of others in a store of our
    own, that there are files at all.

    Raises: TrackingError - the store does not answer.
    """
    from heterodub.tasks.tracking.kinds import KINDS
    from heterodub.tasks.tracking.models import verify_version
    from heterodub.tasks.tracking.registry import aliases_of, versions
    from heterodub.tasks.tracking.store import open_at

    tracking = open_at(place)
    for name in KINDS:
        pointed = aliases_of(tracking, name)
        for version in versions(tracking, name):
            what = ", ".join((f"{name} {version.number}", *pointed.get(version.number, ())))
            if place.folder and not (place.holds(version.source) and Path(version.source).is_dir()):
                yield problem("tracking", what, f"its files are not there: {version.source}", _NOT_AS_LOGGED)
            elif version.number in pointed:
                yield _against_checksums(what, partial(verify_version, tracking, version))


def _against_checksums(what: str, verify: Callable[[], None]) -> Finding:
    try:
        verify()
    except (ModelFileError, TrackingError) as error:
        return problem("tracking", what, str(error), _NOT_AS_LOGGED)
    return good("tracking", what, "every file as it was logged")


def _remedy(is_server: bool) -> str:
    if is_server:
        return "start it (`mlflow server`), or correct [tracking] uri; without it nothing can be trained"
    return "restore the database from a copy, or move it away to begin a new history (models in it are lost to view)"


_good, _problem, _warning = (partial(kind, "promotion") for kind in (good, problem, warning))

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
            scored = benchmarks.scored(ws, frozen)
        except HeterodubError as error:
            remedy = "until then nothing of this stage can be promoted"
            yield _problem(f"{stage} benchmark", str(error), remedy)
        else:
            clips, speakers = counted(len(scored.clips), "clip"), counted(scored.speakers, "speaker")
            detail = f"{frozen.benchmark}, {clips} of {speakers} to score on, all as they were frozen"
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
        return _problem(what, f"the registry cannot be read: {message_of(error)}", "see the tracking store's finding")
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

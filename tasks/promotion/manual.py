"""What a person orders of the champion: back to an earlier one, or a version that no policy chose. And who was when.

No Prefect and no networks here, so that a champion that does harm is out of use within seconds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas.config.settings import Settings
from schemas.errors import ModelFileError, PromotionError
from tasks.monitoring.run_log import Counts, as_step, recorded
from tasks.preflight.models import StageName, check_promote, check_rollback
from tasks.stores.workspace import Workspace

from . import alias_moves, ledger
from .eligibility import require_standing
from .evaluators import StageEvaluator, judge_of
from .ledger import Evidence, Move
from .training_data import learned_from

if TYPE_CHECKING:
    from tasks.tracking.models import Version
    from tasks.tracking.store import Tracking

OVERRIDE: Final = "`heterodub promote STAGE --model VERSION --override --reason TEXT`"


@recorded("rollback")
def rollback(
    why: str,
    stage: StageName = "stage1",
    to: int | None = None,
    adopt: bool = False,
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Run `roll_back` as a recorded run; returns the move, ready for JSON. Raises: as roll_back."""
    return roll_back(check_rollback(why, stage, to, workspace, config), stage, to, why, adopt).made()


@recorded("promote")
def override(
    reason: str,
    stage: StageName = "stage1",
    model: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Run `promote_unjudged` as a recorded run; returns the move, ready for JSON. Raises: as promote_unjudged."""
    settings = check_promote(stage, model, None, workspace, config, override=True, reason=reason)
    return promote_unjudged(settings, stage, model, reason).made()


def _counted(move: Move) -> Counts:
    """What `metrics` keeps of a move."""
    return Counts(facts={"model": move.model, "version": move.to_version, "outcome": move.kind})


@as_step("move", _counted)
def roll_back(settings: Settings, stage: str, to: int | None, why: str, adopt: bool = False) -> Move:
    """Make an earlier champion the champion again: the one before the present one, or `to`.

    Its files are held against their logged hashes first. adopt: take over a registry that another workspace's ledger
    led; its champion stays, unless `to` names the one that its alias `previous` points at. Only where it has neither
    may `to` be any version.

    Raises: PromotionError - there is no earlier one, `to` was never champion, it is the champion, it was trained on
    what was taken down, or the registry is not this ledger's to move (with adopt: is so already).
    ModelFileError - its files are not the ones that were logged. TrackingError - no such version, or no store.
    """
    judge = judge_of(stage)
    ws, tracking = _open(settings)
    if adopt:
        alias_moves.require_adoptable(tracking, ws, judge.model)
        number = _to_adopt(tracking, judge.model, to)
        version = _fit_for_use(tracking, ws, judge, str(number), None)
        return alias_moves.adopt(tracking, ws, judge.model, version.number, why, Evidence(run=version.run_id))
    now = _champion_or_ruin(tracking, ws, judge.model, may_be_gone=to is not None)
    number = _one_before(tracking, ws, judge.model) if to is None else to
    version = _fit_for_use(tracking, ws, judge, str(number), now)
    _require_former(ledger.moves(ws, judge.model), version)
    return alias_moves.move_champion(
        tracking, ws, judge.model, "rollback", version.number, now, why, Evidence(run=version.run_id)
    )


@as_step("move", _counted)
def promote_unjudged(settings: Settings, stage: str, name: str | None, reason: str) -> Move:
    """Make a version the champion whatever the policy says of it; the ledger calls that an override.

    name: number, "@alias" or run id; else the newest version. What vouches for the files holds here, too.

    Raises: PromotionError - it is the champion, was trained on what was taken down, or another ledger leads.
    ModelFileError - its files are not the ones that were logged. TrackingError - no such version, or no store.
    """
    judge = judge_of(stage)
    ws, tracking = _open(settings)
    now = _champion_or_ruin(tracking, ws, judge.model, may_be_gone=True)
    version = _fit_for_use(tracking, ws, judge, name, now)
    return alias_moves.move_champion(
        tracking, ws, judge.model, "override", version.number, now, reason, Evidence(run=version.run_id)
    )


def history(settings: Settings, stage: str | None) -> list[dict[str, Any]]:
    """Who was champion when: a row a move, newest first, with the time it ended; makes and changes nothing."""
    ws = Workspace.open(settings.workspace)
    model = None if stage is None else judge_of(stage).model
    rows: list[dict[str, Any]] = []
    for move in ledger.moves(ws, model):
        if rows and rows[-1]["model"] == move.model:
            rows[-1]["until_utc"] = move.created_utc
        rows.append(
            {"model": move.model, "version": move.to_version, "from": move.from_version, "kind": move.kind}
            | {"since_utc": move.created_utc, "until_utc": None, "state": move.state, "who": move.who}
            | {"why": move.why, "run": move.run, "benchmark": move.benchmark, "policy": move.policy}
        )
    return rows[::-1]


def fetch(settings: Settings, name: str, folder: Path) -> dict[str, str]:
    """Bring a version ("landmark-generator@champion", "wav2lip/3") into a new folder, held against its seal.

    Raises: ModelFileError - its files are not the ones that were logged, or the folder holds something already.
    TrackingError - no such version, or no store.
    """
    from tasks.tracking.models import export_model
    from tasks.tracking.registry import version_called

    _, tracking = _open(settings)
    version = version_called(tracking, name)
    if folder.exists():
        raise ModelFileError(f"{folder} is there already: name a new folder")
    export_model(tracking, version, folder)
    return {"model": str(version), "run": version.run_id, "seal_sha256": version.seal, "folder": str(folder)}


def _fit_for_use(
    tracking: "Tracking", ws: Workspace, judge: StageEvaluator, name: str | None, champion: int | None
) -> "Version":
    """The version of that name, if it is not the champion, no takedown touched it, and its files are whole."""
    from tasks.tracking.models import verify_version
    from tasks.tracking.registry import named_version

    version = named_version(tracking, judge.model, name)
    if version.number == champion:
        raise PromotionError(f"version {champion} is the champion of {judge.model} already")
    require_standing(ws, version, learned_from(tracking, ws, judge.stage, version))
    verify_version(tracking, version)
    return version


def _require_former(own: Sequence[Move], version: "Version") -> None:
    former = ledger.former_champions(own)
    if version.number not in former:
        known = ", ".join(map(str, former))
        raise PromotionError(
            f"{version} was never champion"
            + (f" (these were: {known})" if known else ", nor was any other version")
            + f", so nothing can be rolled back to it; to make it champion without the policy's word: {OVERRIDE}"
        )


def _champion_or_ruin(tracking: "Tracking", ws: Workspace, model: str, may_be_gone: bool) -> int | None:
    """The champion; if its version was deleted and another is named, that one all the same, so that it can be left."""
    alias_moves.require_led(tracking, ws, model)
    try:
        return alias_moves.reconcile(tracking, ws, model).champion
    except PromotionError:
        last = ledger.last_move(ws, model)
        if last is None or not may_be_gone:
            raise
        ledger.finish(ws, last)
        return last.to_version


def _to_adopt(tracking: "Tracking", model: str, to: int | None) -> int:
    """The champion that an adoption begins with."""
    from tasks.tracking.registry import CHAMPION, PREVIOUS, aliased

    found = [one.number for alias in (CHAMPION, PREVIOUS) if (one := aliased(tracking, model, alias))]
    if to is None:
        if aliased(tracking, model, CHAMPION) is None:
            raise PromotionError(f"{model} has no champion at {tracking.place}; `--to VERSION` names one")
        return found[0]
    if found and to not in found:
        raise PromotionError(
            f"version {to} of {model} is neither champion nor previous at {tracking.place} "
            f"({', '.join(map(str, found))}): adopt one of these, then {OVERRIDE}"
        )
    return to


def _one_before(tracking: "Tracking", ws: Workspace, model: str) -> int:
    from tasks.tracking.registry import versions

    found = ledger.one_before(ledger.moves(ws, model), {version.number for version in versions(tracking, model)})
    if found is None:
        raise PromotionError(f"{model} has no champion before the present one; another version: {OVERRIDE}")
    return found


def _open(settings: Settings) -> tuple[Workspace, "Tracking"]:
    from tasks.tracking.store import open_tracking

    ws = Workspace.open(settings.workspace)
    return ws, open_tracking(settings.tracking, ws)

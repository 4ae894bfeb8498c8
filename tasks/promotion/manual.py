"""Manual moves of the champion: rollback and override; and their history.

No Prefect and no networks here, so that a faulty champion is replaced within seconds.
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
from .eligibility import require_not_taken_down
from .evaluators import StageEvaluator, evaluator_of
from .ledger import Evidence, Move
from .training_data import trained_on_media

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
    return roll_back(check_rollback(why, stage, to, workspace, config), stage, to, why, adopt).summary()


@recorded("promote")
def override(
    reason: str,
    stage: StageName = "stage1",
    model: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Run `promote_override` as a recorded run; returns the move, ready for JSON. Raises: as promote_override."""
    settings = check_promote(stage, model, None, workspace, config, override=True, reason=reason)
    return promote_override(settings, stage, model, reason).summary()


def _counted(move: Move) -> Counts:
    """Return the counts that the run log keeps of a move."""
    return Counts(facts={"model": move.model, "version": move.to_version, "outcome": move.kind})


@as_step("move", _counted)
def roll_back(settings: Settings, stage: str, to: int | None, why: str, adopt: bool = False) -> Move:
    """Make an earlier champion the champion again: the one before the present one, or `to`.

    Its files are checked against their logged hashes first. adopt: take over a registry that another workspace's ledger
    led; its champion stays, unless `to` names the one that its alias `previous` points at. Only where it has neither
    may `to` be any version.

    Raises: PromotionError - there is no earlier one, `to` was never champion, it is the champion, it was trained on
    footage that was taken down, or another ledger leads the registry (with adopt: this one does already).
    ModelFileError - its files are not the ones that were logged. TrackingError - no such version, or no store.
    """
    evaluator = evaluator_of(stage)
    ws, tracking = _open(settings)
    if adopt:
        alias_moves.require_adoptable(tracking, ws, evaluator.model)
        number = _to_adopt(tracking, evaluator.model, to)
        version = _usable_version(tracking, ws, evaluator, str(number), None)
        return alias_moves.adopt(tracking, ws, evaluator.model, version.number, why, Evidence(run=version.run_id))
    now = _current_champion(tracking, ws, evaluator.model, may_be_gone=to is not None)
    number = _one_before(tracking, ws, evaluator.model) if to is None else to
    version = _usable_version(tracking, ws, evaluator, str(number), now)
    _require_former(ledger.moves(ws, evaluator.model), version)
    return alias_moves.move_champion(
        tracking, ws, evaluator.model, "rollback", version.number, now, why, Evidence(run=version.run_id)
    )


@as_step("move", _counted)
def promote_override(settings: Settings, stage: str, name: str | None, reason: str) -> Move:
    """Make a version the champion without evaluation; the ledger calls that an override.

    name: number, "@alias" or run id; else the newest version. Its files are verified here, too.

    Raises: PromotionError - it is the champion, was trained on footage that was taken down, or another ledger leads.
    ModelFileError - its files are not the ones that were logged. TrackingError - no such version, or no store.
    """
    evaluator = evaluator_of(stage)
    ws, tracking = _open(settings)
    now = _current_champion(tracking, ws, evaluator.model, may_be_gone=True)
    version = _usable_version(tracking, ws, evaluator, name, now)
    return alias_moves.move_champion(
        tracking, ws, evaluator.model, "override", version.number, now, reason, Evidence(run=version.run_id)
    )


def history(settings: Settings, stage: str | None) -> list[dict[str, Any]]:
    """Return the history of champions: a row for each move, newest first, with the time it ended."""
    ws = Workspace.open(settings.workspace)
    model = None if stage is None else evaluator_of(stage).model
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
    """Copy a version ("landmark-generator@champion", "wav2lip/3") into a new folder, verified by its checksums.

    Raises: ModelFileError - its files are not the ones that were logged, or the folder holds something already.
    TrackingError - no such version, or no store.
    """
    from tasks.tracking.models import export_model
    from tasks.tracking.registry import version_called

    _, tracking = _open(settings)
    version = version_called(tracking, name)
    if folder.exists():
        raise ModelFileError(f"{folder} exists already: name a new folder")
    export_model(tracking, version, folder)
    return {"model": str(version), "run": version.run_id, "seal_sha256": version.seal, "folder": str(folder)}


def _usable_version(
    tracking: "Tracking", ws: Workspace, evaluator: StageEvaluator, name: str | None, champion: int | None
) -> "Version":
    """Return the version of that name; it is not the champion, not taken down, and its files are whole."""
    from tasks.tracking.models import verify_version
    from tasks.tracking.registry import named_version

    version = named_version(tracking, evaluator.model, name)
    if version.number == champion:
        raise PromotionError(f"version {champion} is the champion of {evaluator.model} already")
    require_not_taken_down(ws, version, trained_on_media(tracking, ws, evaluator.stage, version))
    verify_version(tracking, version)
    return version


def _require_former(model_moves: Sequence[Move], version: "Version") -> None:
    former = ledger.former_champions(model_moves)
    if version.number not in former:
        known = ", ".join(map(str, former))
        raise PromotionError(
            f"{version} was never champion"
            + (f" (these were: {known})" if known else ", nor was any other version")
            + f", so nothing can be rolled back to it; to make it champion without the policy: {OVERRIDE}"
        )


def _current_champion(tracking: "Tracking", ws: Workspace, model: str, may_be_gone: bool) -> int | None:
    """Return the champion; if may_be_gone, even one whose version was deleted, so that it can be replaced."""
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
    """Return the champion that an adoption begins with."""
    from tasks.tracking.registry import CHAMPION, PREVIOUS, aliased

    candidates = [version.number for alias in (CHAMPION, PREVIOUS) if (version := aliased(tracking, model, alias))]
    if to is None:
        if aliased(tracking, model, CHAMPION) is None:
            raise PromotionError(f"{model} has no champion at {tracking.place}; `--to VERSION` names one")
        return candidates[0]
    if candidates and to not in candidates:
        raise PromotionError(
            f"version {to} of {model} is neither champion nor previous at {tracking.place} "
            f"({', '.join(map(str, candidates))}): adopt one of these, then {OVERRIDE}"
        )
    return to


def _one_before(tracking: "Tracking", ws: Workspace, model: str) -> int:
    from tasks.tracking.registry import versions

    before = ledger.one_before(ledger.moves(ws, model), {version.number for version in versions(tracking, model)})
    if before is None:
        raise PromotionError(f"{model} has no champion before the present one; another version: {OVERRIDE}")
    return before


def _open(settings: Settings) -> tuple[Workspace, "Tracking"]:
    from tasks.tracking.store import open_tracking

    ws = Workspace.open(settings.workspace)
    return ws, open_tracking(settings.tracking, ws)

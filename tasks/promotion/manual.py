"""Manual moves of the champion: rollback and override; and a copy of a registered model.

No Prefect and no networks here, so that a faulty champion is replaced within seconds.
"""

from pathlib import Path
from typing import Any

from heterodub.schemas.cards import MODEL_OF
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import ModelFileError, PromotionError
from heterodub.tasks.monitoring.run_log import Counts, as_step, recorded
from heterodub.tasks.preflight.models import StageName, check_promote, check_rollback
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking import ledger
from heterodub.tasks.tracking.champions import Champions, Standing
from heterodub.tasks.tracking.ledger import OVERRIDE, Evidence, Move
from heterodub.tasks.tracking.models import Version, export_model
from heterodub.tasks.tracking.registry import version_called
from heterodub.tasks.tracking.store import open_tracking


@recorded("rollback")
def rollback(
    reason: str,
    stage: StageName = "stage1",
    to: int | None = None,
    adopt: bool = False,
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Run `roll_back` as a recorded run; returns the move, ready for JSON. Raises: as roll_back."""
    return roll_back(check_rollback(reason, stage, to, workspace, config), stage, to, reason, adopt).summary()


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
def roll_back(settings: Settings, stage: str, to: int | None, reason: str, adopt: bool = False) -> Move:
    """Make an earlier champion the champion again: the one before the present one, or `to`.

    Its files are checked against their logged hashes first. adopt: take over a registry that another workspace's ledger
    led; its champion stays, unless `to` names the one that its alias `previous` points at. Only where it has neither
    may `to` be any version.

    Raises: PromotionError - there is no earlier one, `to` was never champion, it is the champion, it was trained on
    footage that was taken down, or another ledger leads the registry (with adopt: this one does already).
    ModelFileError - its files are not the ones that were logged. TrackingError - no such version, or no store.
    """
    champions = _champions(settings, stage)
    if adopt:
        version = champions.usable(str(champions.to_adopt(to)))
        return champions.adopt(version.number, reason, Evidence(run=version.run_id))
    standing = champions.reconcile(may_be_gone=to is not None)
    number = _previous(standing, champions.model) if to is None else to
    version = champions.usable(str(number), standing.champion)
    _require_former(standing, version)
    return champions.move("rollback", version.number, standing.champion, reason, Evidence(run=version.run_id))


@as_step("move", _counted)
def promote_override(settings: Settings, stage: str, name: str | None, reason: str) -> Move:
    """Make a version the champion without evaluation; the ledger calls that an override.

    name: number, "@alias" or run id; else the newest version. Its files are verified here, too.

    Raises: PromotionError - it is the champion, was trained on footage that was taken down, or another ledger leads.
    ModelFileError - its files are not the ones that were logged. TrackingError - no such version, or no store.
    """
    champions = _champions(settings, stage)
    now = champions.reconcile(may_be_gone=True).champion
    version = champions.usable(name, now)
    return champions.move("override", version.number, now, reason, Evidence(run=version.run_id))


def fetch(settings: Settings, name: str, folder: Path) -> dict[str, str]:
    """Copy a version ("landmark-generator@champion", "wav2lip/3") into a new folder, verified by its checksums.

    Raises: ModelFileError - its files are not the ones that were logged, or the folder holds something already.
    TrackingError - no such version, or no store.
    """
    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    version = version_called(tracking, name)
    if folder.exists():
        raise ModelFileError(f"{folder} exists already: name a new folder")
    export_model(tracking, version, folder)
    return {"model": str(version), "run": version.run_id, "checksums_sha256": version.checksums, "folder": str(folder)}


def _champions(settings: Settings, stage: str) -> Champions:
    ws = Workspace.open(settings.workspace)
    return Champions(open_tracking(settings.tracking, ws), ws, MODEL_OF[stage])


def _require_former(standing: Standing, version: Version) -> None:
    former = ledger.former_champions(standing.moves)
    if version.number not in former:
        numbers = ", ".join(map(str, former))
        raise PromotionError(
            f"{version} was never champion"
            + (f" (these were: {numbers})" if numbers else ", nor was any other version")
            + f", so nothing can be rolled back to it; to make it champion without the policy: {OVERRIDE}"
        )


def _previous(standing: Standing, model: str) -> int:
    if standing.previous is None:
        raise PromotionError(f"{model} has no champion before the present one; another version: {OVERRIDE}")
    return standing.previous

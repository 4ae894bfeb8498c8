"""Versions of any registered model of ours, found by what a user types, and the aliases that point at them."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from schemas.cards import FINETUNED, TRANSLATOR
from schemas.errors import TrackingError

from .kinds import KINDS
from .models import Version, version_of
from .store import Tracking, tracking_errors

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"

_MOVE: Final = "ledger.move"
_LEDGER: Final = "ledger"
"""Tags of a registered model: the ledger's move that its aliases follow, and the ledger in words."""

_CALLED: Final = re.compile(r"(?:models:/)?(?P<model>[\w-]+)(?:/(?P<number>[0-9]+)|(?P<alias>@[\w-]+))?")

MISSING: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""Codes by which MLflow reports that a version or alias is not there; which of the two depends on the store."""


def versions(tracking: Tracking, model: str) -> list[Version]:
    """Return every version that was not deleted, oldest first; none where the model is not registered."""
    with tracking_errors(f"{model} at {tracking.place}"):
        found = tracking.client.search_model_versions(f"name = '{model}'")
    return sorted(map(version_of, found), key=lambda one: one.number)


def named_version(tracking: Tracking, model: str, name: str | None) -> Version:
    """Return the version that a user names: its number, "@alias" or run id; None: the newest.

    Raises: TrackingError - there is none; the text says which there are.
    """
    known = versions(tracking, model)
    if not known:
        raise TrackingError(f"no {model} is registered at {tracking.place}: `{KINDS[model].made_by}` makes one")
    if name is None:
        return known[-1]
    if name.startswith("@"):
        found = aliased(tracking, model, name[1:])
    elif name.isdigit():
        found = next((one for one in known if one.number == int(name)), None)
    else:
        found = next((one for one in reversed(known) if one.run_id == name), None)
    if found is None and (tuned := finetuned_version(tracking, model, name)):
        raise TrackingError(f"{tuned} was fine-tuned to one speaker: it is used where it is named, and never promoted")
    if found is None:
        numbers = ", ".join(str(one.number) for one in known[-10:])
        hint = "; `heterodub promote` chooses one" if name == f"@{CHAMPION}" else ""
        raise TrackingError(
            f"{model} has no version {name} at {tracking.place} (deleted, or never there), but {numbers}{hint}"
        )
    return found


def usable_version(tracking: Tracking, model: str, name: str | None) -> Version:
    """Return the version that a user names to work with: as named_version; of a translator also a fine-tuned one, by
    its run id or as "landmark-translator-finetuned/NUMBER", never as the newest.

    Raises: TrackingError - there is none; the text says which there are.
    """
    return finetuned_version(tracking, model, name) or named_version(tracking, model, name)


def version_called(tracking: Tracking, name: str) -> Version:
    """Return the version of a full name: "MODEL" (the newest), "MODEL/NUMBER", "MODEL@ALIAS", with or without
    MLflow's "models:/" before it.

    Raises: TrackingError - there is none; the text says which there are.
    """
    parts = _CALLED.fullmatch(name)
    if parts is None or parts["model"] not in KINDS:
        raise TrackingError(f"{name!r} names no model: MODEL, MODEL/NUMBER or MODEL@ALIAS, of {', '.join(KINDS)}")
    return named_version(tracking, parts["model"], parts["number"] or parts["alias"])


def finetuned_version(tracking: Tracking, model: str, name: str | None) -> Version | None:
    """Return the fine-tuned version that a user names where `model` is wanted; None where the name is not of one.

    Raises: TrackingError - the name is of one that is not there.
    """
    if model != TRANSLATOR or name is None:
        return None
    number = name.removeprefix("models:/").removeprefix(FINETUNED)
    if number != name and number[:1] in ("/", "@"):
        return named_version(tracking, FINETUNED, number.removeprefix("/"))
    return next((one for one in versions(tracking, FINETUNED) if one.run_id == name), None)


def aliased(tracking: Tracking, model: str, alias: str) -> Version | None:
    """Return the version an alias points at; None without that alias.

    Raises: TrackingError - the store cannot be reached.
    """
    with tracking_errors(f"{model} at {tracking.place}"):
        try:
            return version_of(tracking.client.get_model_version_by_alias(model, alias))
        except MlflowException as error:
            if error.error_code in MISSING:
                return None
            raise


def aliases_of(tracking: Tracking, model: str) -> dict[int, list[str]]:
    """Return aliases of each version that has one; none where the model is not registered.

    Raises: TrackingError - the store cannot be reached.
    """
    found = _registered(tracking, model)
    aliases: dict[int, list[str]] = {}
    for alias, number in sorted(found.aliases.items()) if found else ():
        aliases.setdefault(int(number), []).append(alias)
    return aliases


def set_aliases(tracking: Tracking, model: str, aliases: Mapping[str, int | None]) -> None:
    """Make each alias point at a version, or at none. Where it does already, nothing is written.

    Raises: TrackingError - there is no such version, or the store cannot be reached.
    """
    for alias, number in aliases.items():
        now = aliased(tracking, model, alias)
        if (now.number if now else None) == number:
            continue
        with tracking_errors(f"alias {alias} of {model} at {tracking.place}"):
            if number is None:
                tracking.client.delete_registered_model_alias(model, alias)
            else:
                tracking.client.set_registered_model_alias(model, alias, str(number))


def led_by(tracking: Tracking, model: str) -> tuple[str, str] | None:
    """Return the ledger's move that the aliases follow, and that ledger in words; None where none ever moved them.

    Raises: TrackingError - the store cannot be reached.
    """
    found = _registered(tracking, model)
    if found is None or _MOVE not in found.tags:
        return None
    return found.tags[_MOVE], found.tags.get(_LEDGER, "unknown")


def _registered(tracking: Tracking, model: str) -> RegisteredModel | None:
    with tracking_errors(f"{model} at {tracking.place}"):
        try:
            return tracking.client.get_registered_model(model)
        except MlflowException as error:
            if error.error_code in MISSING:
                return None
            raise


def follow(tracking: Tracking, model: str, move_id: str, ledger: str) -> None:
    """Record whose move the aliases are about to follow: a ledger that does not hold it may not move them.

    Raises: TrackingError - the store cannot be reached.
    """
    with tracking_errors(f"{model} at {tracking.place}"):
        for name, value in ((_LEDGER, ledger), (_MOVE, move_id)):
            tracking.client.set_registered_model_tag(model, name, value)


def runs_of_benchmarks(tracking: Tracking, benchmarks: Collection[str]) -> set[str]:
    """Return the runs that hold evidence made on a benchmark, and the runs of the challengers it was made for."""
    if not benchmarks:
        return set()
    with tracking_errors(f"runs at {tracking.place}"):
        experiments = [one.experiment_id for one in tracking.client.search_experiments()]
        found = [
            run
            for benchmark in benchmarks
            for run in tracking.client.search_runs(experiments, f"tags.benchmark = '{benchmark}'", max_results=1000)
        ]
    return {run.info.run_id for run in found} | {run.data.tags.get("challenger_run", "") for run in found}


def curve(tracking: Tracking, version: Version, metric: str) -> list[tuple[int, float]]:
    """Return a metric of the version's run as (step, value), by step; empty where the run is gone or holds none.

    Raises: TrackingError - the store cannot be reached.
    """
    with tracking_errors(f"run {version.run_id}"):
        try:
            found = tracking.client.get_metric_history(version.run_id, metric)
        except MlflowException as error:
            if error.error_code in MISSING:
                return []
            raise
    return sorted({point.step: point.value for point in found}.items())


def tag_version(tracking: Tracking, version: Version, tags: Mapping[str, str]) -> None:
    """Set tags of a version; one of the same name is replaced."""
    with tracking_errors(f"{version} at {tracking.place}"):
        for name, value in tags.items():
            tracking.client.set_model_version_tag(version.name, str(version.number), name, value)

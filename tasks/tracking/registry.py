"""Versions of any registered model of ours, found by what a user types, and the aliases that point at them.

Queries of earlier runs: trainings that ended well, challengers that were not promoted, evidence, curves.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from mlflow.entities.model_registry import RegisteredModel

from heterodub.schemas.cards import FINETUNED, TRANSLATOR
from heterodub.schemas.config.dubbing import BUILTIN
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import TrackingError
from heterodub.tasks.builtin.find import builtin_model
from heterodub.tasks.stores.workspace import Workspace

from .kinds import KINDS
from .models import MODEL_ID, Version, fetch_version, version_of
from .runs import TrackedRun
from .store import Tracking, if_there, open_tracking, pages, tracking_errors

LONGEST_DESCRIPTION: Final = 5000
"""Characters of a version's description that every database of MLflow keeps (its column `description`)."""

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"

_CALLED: Final = re.compile(r"(?:models:/)?(?P<model>[\w-]+)(?:/(?P<number>[0-9]+)|(?P<alias>@[\w-]+))?")


@dataclass(frozen=True, slots=True)
class NamedModel:
    """Folder and display name of a model. tags: its version, in MLflow's words; none of a folder."""

    folder: Path
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)


def versions(tracking: Tracking, model: str) -> list[Version]:
    """Return every version that was not deleted, oldest first; none where the model is not registered."""
    with tracking_errors(f"{model} at {tracking.place}"):
        registered = tracking.client.search_model_versions(f"name = '{model}'")
    return sorted(map(version_of, registered), key=lambda version: version.number)


def named_version(tracking: Tracking, model: str, name: str | None) -> Version:
    """Return the version that a user names: its number, "@alias" or run id; None: the newest.

    Raises: TrackingError - there is none; the text says which there are.
    """
    registered = versions(tracking, model)
    if not registered:
        raise TrackingError(f"no {model} is registered at {tracking.place}: `{KINDS[model].made_by}` makes one")
    if name is None:
        return registered[-1]
    if name.startswith("@"):
        named = aliased(tracking, model, name[1:])
    elif name.isdigit():
        named = next((version for version in registered if version.number == int(name)), None)
    else:
        named = next((version for version in reversed(registered) if version.run_id == name), None)
    if named is None and (tuned := finetuned_version(tracking, model, name)):
        raise TrackingError(f"{tuned} was fine-tuned to one speaker: it is used where it is named, and never promoted")
    if named is None:
        numbers = ", ".join(str(version.number) for version in registered[-10:])
        hint = "; `heterodub promote` chooses one" if name == f"@{CHAMPION}" else ""
        raise TrackingError(
            f"{model} has no version {name} at {tracking.place} (deleted, or never there), but {numbers}{hint}"
        )
    return named


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
    return next((version for version in versions(tracking, FINETUNED) if version.run_id == name), None)


def find_model(settings: Settings, workspace: Workspace, kind: str, name: str | None, scratch: Path) -> NamedModel:
    """Find the model of a registered kind: a folder as it is, the one that ships by "builtin", else the version of that
    number, "@alias" or run id (None: the newest), fetched into `scratch`; of a translator also a fine-tuned one that is
    named.

    Raises: TrackingError - there is none. ModelFileError - its files are damaged.
    """
    if name == BUILTIN:
        return NamedModel(*builtin_model(kind))
    if name is not None and Path(name).is_dir():
        return NamedModel(Path(name), f"{kind} in {name}")
    tracking = open_tracking(settings.tracking, workspace)
    version = usable_version(tracking, kind, name)
    tags = {"evaluated_model": version.name, "version": str(version.number), "model_run": version.run_id}
    tags |= {} if version.model_id is None else {MODEL_ID: version.model_id}
    return NamedModel(fetch_version(tracking, version, scratch), str(version), tags)


def aliased(tracking: Tracking, model: str, alias: str) -> Version | None:
    """Return the version an alias points at; None without that alias.

    Raises: TrackingError - the store cannot be reached.
    """
    what = f"{model} at {tracking.place}"
    registered = if_there(what, lambda: tracking.client.get_model_version_by_alias(model, alias))
    return version_of(registered) if registered else None


def aliases_of(tracking: Tracking, model: str) -> dict[int, list[str]]:
    """Return aliases of each version that has one; none where the model is not registered.

    Raises: TrackingError - the store cannot be reached.
    """
    registered = registered_model(tracking, model)
    aliases: dict[int, list[str]] = {}
    for alias, number in sorted(registered.aliases.items()) if registered else ():
        aliases.setdefault(int(number), []).append(alias)
    return aliases


def registered_model(tracking: Tracking, model: str) -> RegisteredModel | None:
    """Return MLflow's entry of a model, with its aliases and tags; None where it is not registered.

    Raises: TrackingError - the store cannot be reached.
    """
    return if_there(f"{model} at {tracking.place}", lambda: tracking.client.get_registered_model(model))


def tag_version(tracking: Tracking, version: Version, tags: Mapping[str, str]) -> None:
    """Set tags of a version; one of the same name is replaced. Raises: TrackingError - the store cannot be reached."""
    with tracking_errors(f"{version} at {tracking.place}"):
        for name, value in tags.items():
            tracking.client.set_model_version_tag(version.name, str(version.number), name, value)


def describe_version(tracking: Tracking, version: Version, describe: Callable[[str], str]) -> str:
    """Replace a version's description, by what `describe` makes of the present one; return the new one.

    Raises: TrackingError - the store cannot be reached.
    """
    with tracking_errors(f"{version} at {tracking.place}"):
        number = str(version.number)
        description = describe(tracking.client.get_model_version(version.name, number).description or "")
        tracking.client.update_model_version(version.name, number, description[:LONGEST_DESCRIPTION])
        return description


TRAINING: Final = "training"
"""Tag of a training's run: identity of its release, clips and settings together, as its folder is named."""

SETTINGS: Final = "settings"
"""Tag of a training's run: identity of its settings alone."""

EVALUATED: Final = "evaluated"
"""Tag of a training's run: the release on whose test split its model was scored."""

_SCORES: Final = "evaluation/scores.json"
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A version whose training ended well, with the tags of its run."""

    version: Version
    tags: Mapping[str, str]


def finished_training(tracking: Tracking, model: str, training: str) -> TrainedVersion | None:
    """Return the newest version from a training, by its identity, whose run ended well; None if there is none.

    Raises: TrackingError - the store cannot be reached.
    """
    by_run = {version.run_id: version for version in versions(tracking, model)}
    runs = search_runs(tracking, f"tags.{TRAINING} = '{training}' and attributes.status = 'FINISHED'")
    done = [TrainedVersion(by_run[run.info.run_id], dict(run.data.tags)) for run in runs if run.info.run_id in by_run]
    return max(done, key=lambda trained: trained.version.number, default=None)


def trained_by(tracking: Tracking, model: str, settings: str) -> frozenset[int]:
    """Return the versions that were trained by settings of this identity.

    Raises: TrackingError - the store cannot be reached.
    """
    runs = {run.info.run_id for run in search_runs(tracking, f"tags.{SETTINGS} = '{settings}'")}
    return frozenset(version.number for version in versions(tracking, model) if version.run_id in runs)


def kept_out(tracking: Tracking, model: str) -> dict[int, str]:
    """Challengers that were evaluated and did not become champion, by the policy or by a person: why, by version.

    Raises: TrackingError - the store cannot be reached.
    """
    condition = f"tags.model = '{model}' and tags.outcome != 'promote' and attributes.status = 'FINISHED'"
    runs = sorted(search_runs(tracking.of("promotion"), condition), key=lambda run: int(run.info.start_time))
    return {int(run.data.tags["challenger"]): run.data.tags.get("reason", "") for run in runs}


def keep_scores(tracking: Tracking, version: Version, release: str, scores: Mapping[str, Any]) -> None:
    """Store a version's scores on a release's test split in the run of its training, as JSON, and tag the run.

    Raises: TrackingError - the store cannot be reached.
    """
    run = TrackedRun(tracking, version.run_id, resumed=True)
    run.content(_SCORES, scores)
    run.tags({EVALUATED: release})


def runs_of_benchmarks(tracking: Tracking, benchmarks: Collection[str]) -> set[str]:
    """Return the runs that hold evidence made on a benchmark, and the runs of the challengers it was made for.

    Raises: TrackingError - the store cannot be reached.
    """
    if not benchmarks:
        return set()
    with tracking_errors(f"runs at {tracking.place}"):
        experiments = [experiment.experiment_id for experiment in tracking.client.search_experiments()]
        evidence = [
            run
            for benchmark in benchmarks
            for run in search_runs(tracking, f"tags.benchmark = '{benchmark}'", experiments)
        ]
    return {run.info.run_id for run in evidence} | {run.data.tags.get("challenger_run", "") for run in evidence}


def curve(tracking: Tracking, version: Version, metric: str) -> list[tuple[int, float]]:
    """Return a metric of the version's run as (step, value), by step; empty where the run is gone or holds none.

    Raises: TrackingError - the store cannot be reached.
    """
    run = version.run_id
    points = if_there(f"run {run}", lambda: tracking.client.get_metric_history(run, metric))
    return sorted({point.step: point.value for point in points or ()}.items())


def search_runs(tracking: Tracking, condition: str, experiments: Sequence[str] | None = None) -> list[Any]:
    """Return the runs that match a filter, of any page. experiments: ids; else that of the tracking alone.

    Raises: TrackingError - the store cannot be reached.
    """
    chosen = [tracking.experiment_id] if experiments is None else list(experiments)
    search = partial(tracking.client.search_runs, chosen, condition, max_results=_PAGE)
    with tracking_errors(f"runs at {tracking.place}"):
        return list(pages(lambda token: search(page_token=token)))

"""Construction of a table of the paper: held-out speakers, missing trainings, evaluation, and the table."""

from dataclasses import replace

from model.training.callbacks import Callback
from schemas.config.settings import Settings
from schemas.errors import TrainingError
from tasks.reproduction.experiments import EXPERIMENTS
from tasks.reproduction.footage import REFERENCES, ExperimentData, held_out
from tasks.reproduction.jobs import KINDS, TrainingJob
from tasks.reproduction.paper import WHAT_SCORES_ARE
from tasks.reproduction.systems import EvaluatedSystems
from tasks.reproduction.table import WHY_OTHER_NUMBERS, Table
from tasks.reproduction.trainer_cache import TrainerCache
from tasks.stores.workspace import Workspace
from tasks.training.run_dirs import trainings


def make_table(
    settings: Settings,
    name: str,
    minutes: float,
    release: str | None,
    folds: int | None,
    fold: int,
    callback: Callback,
) -> Table:
    """Make table `name` (of EXPERIMENTS); trainings share the minutes (JobType.shares). folds, fold: see `held_out`.

    Raises: TrainingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    experiment = EXPERIMENTS[name]
    workspace = Workspace.open(settings.workspace)
    footage = held_out(workspace, release, folds, fold)
    jobs = dict.fromkeys(experiment.jobs(settings))
    if not minutes > 0:
        raise TrainingError(f"a budget is more than 0 minutes, got {minutes:g}")
    shares = sum(KINDS[job.kind].shares for job in jobs)
    trainer_cache = TrainerCache(workspace, settings, footage, minutes / max(1, shares), callback)
    trained = trainer_cache.train(jobs)
    bench = EvaluatedSystems(settings, footage, trainings(workspace))
    table = experiment.made(settings, footage, trained, bench)
    notes = [
        _test_set(footage, bench),
        *_budgets(trainer_cache, list(trained.models)),
        *(f"Not measured: {why}" for why in bench.missing.values()),
    ]
    return replace(table, notes=(*notes, *table.notes, *WHAT_SCORES_ARE, WHY_OTHER_NUMBERS))


def _test_set(footage: ExperimentData, bench: EvaluatedSystems) -> str:
    speakers = {scene.eval_window.clip.speaker for scene in bench.scenes}
    return (
        f"Release {footage.release}, evaluated on {footage.evaluated_on}: {len(bench.scenes)} clips of {len(speakers)} "
        f"speakers in no training set, {REFERENCES} reference frames of each."
    )


def _budgets(trainer_cache: TrainerCache, jobs: list[TrainingJob]) -> list[str]:
    """Return a line for each kind of training: its minutes and steps."""
    lines = []
    for kind in dict.fromkeys(job.kind for job in jobs):
        budget, count = trainer_cache.budget(kind), sum(job.kind == kind for job in jobs)
        trainings_of = "1 training" if count == 1 else f"{count} trainings"
        lines.append(
            f"{kind}: {trainings_of} of {budget.steps} steps each, {budget.minutes:.3g} min as timed beforehand "
            f"({budget.step_s:.2g} s a step)."
        )
    return lines

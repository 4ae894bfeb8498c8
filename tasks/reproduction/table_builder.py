"""Makes a table of the paper: holds speakers out, trains what is missing, judges, and puts the table together."""

from dataclasses import replace

from model.training.callbacks import Callback
from schemas.config.settings import Settings
from schemas.errors import TrainingError
from tasks.reproduction.columns import WHAT_SCORES_ARE
from tasks.reproduction.experiments import EXPERIMENTS
from tasks.reproduction.footage import REFERENCES, ExperimentData, held_out
from tasks.reproduction.jobs import KINDS, TrainingJob
from tasks.reproduction.judged import EvaluatedSystems
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
    listener: Callback,
) -> Table:
    """Table `name` (of EXPERIMENTS), its trainings sharing so many minutes (Kind.shares). folds, fold: see `held_out`.

    Raises: TrainingError, NotFoundError, WorkspaceError, WeightsMissingError - the text says what to do.
    """
    experiment = EXPERIMENTS[name]
    workspace = Workspace.open(settings.workspace)
    footage = held_out(workspace, release, folds, fold)
    jobs = dict.fromkeys(experiment.jobs(settings))
    if not minutes > 0:
        raise TrainingError(f"a budget is more than 0 minutes, got {minutes:g}")
    shares = sum(KINDS[job.kind].shares for job in jobs)
    trainer_cache = TrainerCache(workspace, settings, footage, minutes / max(1, shares), listener)
    trained = trainer_cache.train(jobs)
    bench = EvaluatedSystems(settings, footage, trainings(workspace))
    table = experiment.made(settings, footage, trained, bench)
    told = [
        _judged(footage, bench),
        *_budgets(trainer_cache, list(trained.models)),
        *(f"Not measured: {why}" for why in bench.missing.values()),
    ]
    return replace(table, notes=(*told, *table.notes, *WHAT_SCORES_ARE, WHY_OTHER_NUMBERS))


def _judged(footage: ExperimentData, bench: EvaluatedSystems) -> str:
    speakers = {scene.eval_window.exam.speaker for scene in bench.scenes}
    return (
        f"Release {footage.release}, judged on {footage.judged_on}: {len(bench.scenes)} clips of {len(speakers)} "
        f"speakers whom no training met, {REFERENCES} frames of each told."
    )


def _budgets(trainer_cache: TrainerCache, jobs: list[TrainingJob]) -> list[str]:
    """A line for each kind of training: what it was given, and what that came to."""
    lines = []
    for kind in dict.fromkeys(job.kind for job in jobs):
        given, count = trainer_cache.budget(kind), sum(job.kind == kind for job in jobs)
        trainings_of = "1 training" if count == 1 else f"{count} trainings"
        lines.append(
            f"{kind}: {trainings_of} of {given.steps} steps each, {given.minutes:.3g} min as timed beforehand "
            f"({given.step_s:.2g} s a step)."
        )
    return lines

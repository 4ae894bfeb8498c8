"""Makes a table of the paper: holds speakers out, trains what is missing, judges, and puts the table together."""

from dataclasses import replace

from model.training.listening import Listener
from schemas.errors import TrainingError
from schemas.settings import Settings
from tasks.learning.folders import trainings
from tasks.paper.columns import WHAT_SCORES_ARE
from tasks.paper.experiments import EXPERIMENTS
from tasks.paper.footage import REFERENCES, Footage, held_out
from tasks.paper.jobs import KINDS, Job
from tasks.paper.judged import Judged
from tasks.paper.table import WHY_OTHER_NUMBERS, Table
from tasks.paper.workshop import Workshop
from tasks.stores.workspace import Workspace


def make_table(
    settings: Settings,
    name: str,
    minutes: float,
    release: str | None,
    folds: int | None,
    fold: int,
    listener: Listener,
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
    workshop = Workshop(workspace, settings, footage, minutes / max(1, shares), listener)
    trained = workshop.train(jobs)
    bench = Judged(settings, footage, trainings(workspace))
    table = experiment.made(settings, footage, trained, bench)
    told = [
        _judged(footage, bench),
        *_budgets(workshop, list(trained.models)),
        *(f"Not measured: {why}" for why in bench.missing.values()),
    ]
    return replace(table, notes=(*told, *table.notes, *WHAT_SCORES_ARE, WHY_OTHER_NUMBERS))


def _judged(footage: Footage, bench: Judged) -> str:
    speakers = {scene.sitting.exam.speaker for scene in bench.scenes}
    return (
        f"Release {footage.release}, judged on {footage.judged_on}: {len(bench.scenes)} clips of {len(speakers)} "
        f"speakers whom no training met, {REFERENCES} frames of each told."
    )


def _budgets(workshop: Workshop, jobs: list[Job]) -> list[str]:
    """A line for each kind of training: what it was given, and what that came to."""
    lines = []
    for kind in dict.fromkeys(job.kind for job in jobs):
        given, count = workshop.budget(kind), sum(job.kind == kind for job in jobs)
        trainings_of = "1 training" if count == 1 else f"{count} trainings"
        lines.append(
            f"{kind}: {trainings_of} of {given.steps} steps each, {given.minutes:.3g} min as timed beforehand "
            f"({given.step_s:.2g} s a step)."
        )
    return lines

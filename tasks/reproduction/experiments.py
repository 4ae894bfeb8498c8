"""Experiments of the paper's Tables 1, 3 and 4: trainings, rows, columns and claims."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from heterodub.model.evaluation.clip_scores import SpeakerScores, by_speaker, mean_over_speakers
from heterodub.model.evaluation.generator import score_generator
from heterodub.model.io import load_generator
from heterodub.model.training.callbacks import Callback
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.errors import TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.reproduction import paper
from heterodub.tasks.reproduction.footage import REFERENCES, ExperimentData, held_out
from heterodub.tasks.reproduction.jobs import (
    FACE_RECOGNITION,
    GATED,
    GENERATOR,
    KINDS,
    TEMPORAL,
    TRANSLATOR,
    TrainingJob,
)
from heterodub.tasks.reproduction.paper import (
    FACE_FOUND_COLUMN,
    FOUND_NME_COLUMN,
    FRECHET_COLUMN,
    LIKENESS,
    NME,
    NME_COLUMN,
    OPENING,
    UNPAIRED,
    UNPAIRED_COLUMN,
    WHAT_SCORES_ARE,
)
from heterodub.tasks.reproduction.systems import (
    SYSTEMS,
    TRANSLATES,
    ComparedSystem,
    EvaluatedSystems,
    true_landmarks,
    two_stage,
)
from heterodub.tasks.reproduction.table import WHY_OTHER_NUMBERS, Claim, Table, TableRow
from heterodub.tasks.reproduction.trainer_cache import TrainedModels, TrainerCache
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import few_a_speaker
from heterodub.tasks.training.device import device_of
from heterodub.tasks.training.run_dirs import trainings
from heterodub.tasks.training.stage1 import read_eval_clips


@dataclass(frozen=True, slots=True)
class Experiment:
    """A table of the paper. systems: its rows. made: builds the table from the trained models."""

    systems: tuple[ComparedSystem, ...]
    made: Callable[[Settings, ExperimentData, TrainedModels, EvaluatedSystems], Table]

    def jobs(self, settings: Settings) -> tuple[TrainingJob, ...]:
        """Return the trainings that the table needs, each once; without those whose loss has no weights."""
        has_slot = settings.weights.vgg_face is not None
        jobs = dict.fromkeys(job for system in self.systems for job in system.jobs)
        return tuple(job for job in jobs if has_slot or job.off != FACE_RECOGNITION)


def _row(
    system: ComparedSystem, trained: TrainedModels, bench: EvaluatedSystems, has_unpaired: bool = False
) -> TableRow:
    """Build a system's row; it has no scores if one of its trainings was refused or could not be."""
    missing = [trained.refused.get(job, _NO_SLOT) for job in system.jobs if job not in trained.models]
    if missing:
        return TableRow(system.name, {}, f"not measured: {missing[0]}")
    scores = dict(bench.paired(system, trained.models))
    if has_unpaired:
        scores[UNPAIRED] = bench.unpaired(system, trained.models)
    return TableRow(system.name, scores)


def _table_1(settings: Settings, footage: ExperimentData, trained: TrainedModels, bench: EvaluatedSystems) -> Table:
    rows = tuple(_row(system, trained, bench, not system.ignores_sound) for system in SYSTEMS)
    columns = (FRECHET_COLUMN, FOUND_NME_COLUMN, FACE_FOUND_COLUMN, *LIKENESS, OPENING, UNPAIRED_COLUMN)
    notes = (
        "Paired audio but for the last column, which has another speaker's. A row that takes its mouth from the ground "
        "truth ignores the audio, so it has no figure there.",
        "Ours is not fine-tuned, the paper's is.",
        "LipGAN, Wav2Lip, ATVGnet and MakeItTalk are written anew from their papers, trained on the clips of the same "
        "speakers that are good for both stages, each within the minutes of both of ours together. They generate whole "
        "crops, ours what its mask hides; ATVGnet and MakeItTalk animate one picture and do not follow the head. The "
        "paper has these two in its Table 2 alone.",
    )
    ours = SYSTEMS[0].name
    claims = tuple(
        Claim(f"ours is better than {system.name}", ours, system.name, column.score)
        for system in SYSTEMS[1:]
        if not system.ignores_sound
        for column in columns
    )
    title = "Table 1: systems, with their own sound and with another's"
    return Table("table1", title, columns, rows, paper.TABLE_1, claims, notes)


_CELLS: Final = tuple(
    two_stage(
        f"I {50 if first else 100} %, II {50 if second else 100} %",
        TrainingJob(GENERATOR, first),
        TrainingJob(TRANSLATOR, second),
    )
    for first in (True, False)
    for second in (True, False)
)
"""The cells of Table 3: on half of the speakers or on all."""


def _table_3(settings: Settings, footage: ExperimentData, trained: TrainedModels, bench: EvaluatedSystems) -> Table:
    nme = {
        job: _stage1_nme(settings, footage, trained.models[job])
        for job in dict.fromkeys(cell.jobs[0] for cell in _CELLS)
    }
    rows = [_row(cell, trained, bench) for cell in _CELLS]
    rows = [replace(row, scores={**row.scores, NME: nme[cell.jobs[0]]}) for cell, row in zip(_CELLS, rows, strict=True)]
    half = footage.half()
    notes = (
        "I: data of the landmark generator, II: of the translator. Half of the speakers, the same for both; paired "
        "audio, predicted landmarks. NME is that of stage 1's landmarks, over its 100 points.",
        *(f"{stage.value}: 50 % are {half.size_text(stage)}; 100 % are {footage.size_text(stage)}." for stage in Stage),
    )
    names = [cell.name for cell in _CELLS]
    claims = [
        Claim("more data for stage 1 lowers the landmarks' error", names[3], names[1], NME),
        Claim("more data for stage 1 lets the mouth open with the speech", names[3], names[1], OPENING.score),
    ]
    for fewer, more in ((0, 1), (2, 3)):
        text = f"more data for stage 2 makes better pictures ({names[fewer].partition(',')[0]})"
        claims += [Claim(text, names[more], names[fewer], column.score) for column in (FRECHET_COLUMN, *LIKENESS)]
    columns = (FRECHET_COLUMN, *LIKENESS, OPENING, NME_COLUMN)
    title = "Table 3: data of both stages"
    return Table("table3", title, columns, tuple(rows), {"LRS2": paper.TABLE_3}, tuple(claims), notes)


def _stage1_nme(settings: Settings, footage: ExperimentData, model: Path) -> SpeakerScores:
    """Return the NME of a generator on the test speakers' stage-1 clips, with their own sound."""
    generator, card = load_generator(model, device_of(settings.device))
    eval_clips = read_eval_clips(
        footage.speech, few_a_speaker(footage.test_speech), Stage1Settings(architecture=card.architecture)
    )
    return mean_over_speakers(
        by_speaker(score_generator(generator, eval_clips, REFERENCES, card.gain, systems=("paired audio",)), "nme")
    )


_WHOLE: Final = "all three"
_COMPONENTS: Final = (GATED, TEMPORAL, FACE_RECOGNITION)
_TRANSLATORS: Final = (
    *(true_landmarks(f"without {name}", TrainingJob(TRANSLATOR, off=name)) for name in _COMPONENTS),
    true_landmarks(_WHOLE, TRANSLATES),
)
"""The rows of Table 4: without a component each, and with all of them."""

_NO_SLOT: Final = (
    "the weight slot weights.vgg_face is empty, so no training here has that loss, and the row "
    f"“{_WHOLE}” has the other two alone"
)


def _table_4(settings: Settings, footage: ExperimentData, trained: TrainedModels, bench: EvaluatedSystems) -> Table:
    rows = tuple(_row(translator, trained, bench) for translator in _TRANSLATORS)
    columns = (FRECHET_COLUMN, *LIKENESS, OPENING)
    notes = (
        "True landmarks, so that nothing but the translator differs. (The paper's last row equals that of its Table 3, "
        "so it used predicted ones.) All rows take the same steps on the same windows.",
    )
    claims = tuple(
        Claim(f"{name} makes better pictures", _WHOLE, f"without {name}", column.score)
        for name in _COMPONENTS
        for column in columns[:-1]
    )
    title = "Table 4: components of the translation"
    return Table("table4", title, columns, rows, {"LRS2": paper.TABLE_4}, claims, notes)


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    "table1": Experiment(SYSTEMS, _table_1),
    "table3": Experiment(_CELLS, _table_3),
    "table4": Experiment(_TRANSLATORS, _table_4),
}


def make_table(
    workspace: Workspace,
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
    footage = held_out(workspace, release, folds, fold)
    jobs = experiment.jobs(settings)
    if not minutes > 0:
        raise TrainingError(f"a budget is more than 0 minutes, got {minutes:g}")
    shares = sum(KINDS[job.kind].shares for job in jobs)
    trainer_cache = TrainerCache(settings, footage, minutes / max(1, shares), callback)
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

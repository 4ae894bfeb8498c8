"""Experiments of the paper's Tables 1, 3 and 4: trainings, rows, columns and claims."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.evaluation.generator import score_generator
from model.metrics.clip_scores import SpeakerScores, by_speaker, mean_over_speakers
from model.stage1.files import load_generator
from schemas.config.settings import Settings
from schemas.config.training import Stage1Settings
from schemas.reasons import Stage
from tasks.reproduction import paper
from tasks.reproduction.footage import REFERENCES, ExperimentData
from tasks.reproduction.jobs import FACE_RECOGNITION, GATED, GENERATOR, TEMPORAL, TRANSLATOR, TrainingJob
from tasks.reproduction.paper import (
    FACE_FOUND_COLUMN,
    FOUND_NME_COLUMN,
    FRECHET_COLUMN,
    LIKENESS,
    NME,
    NME_COLUMN,
    OPENING,
    UNPAIRED,
    UNPAIRED_COLUMN,
)
from tasks.reproduction.systems import SYSTEMS, TRANSLATES, ComparedSystem, EvaluatedSystems, true_landmarks, two_stage
from tasks.reproduction.table import Claim, Table, TableRow
from tasks.reproduction.trainer_cache import TrainedModels
from tasks.training.clip_selection import few_a_speaker
from tasks.training.device import device_of
from tasks.training.stage1 import read_eval_clips


@dataclass(frozen=True, slots=True)
class Experiment:
    """A table of the paper. jobs: the trainings that it needs. made: builds the table from their models."""

    jobs: Callable[[Settings], tuple[TrainingJob, ...]]
    made: Callable[[Settings, ExperimentData, TrainedModels, EvaluatedSystems], Table]


def _table_1(settings: Settings, footage: ExperimentData, trained: TrainedModels, bench: EvaluatedSystems) -> Table:
    rows = [_system(one, settings.stage2.architecture.side_px, trained, bench) for one in SYSTEMS]
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
        Claim(f"ours is better than {one.name}", ours, one.name, column.score)
        for one in SYSTEMS[1:]
        if not one.ignores_sound
        for column in columns
    )
    title = "Table 1: systems, with their own sound and with another's"
    return Table("table1", title, columns, tuple(rows), paper.TABLE_1, claims, notes)


def _system(one: ComparedSystem, side_px: int, trained: TrainedModels, bench: EvaluatedSystems) -> TableRow:
    """Build a system's row; it has no scores if one of its trainings was refused."""
    refused = [trained.refused[job] for job in one.needs if job in trained.refused]
    if refused:
        return TableRow(one.name, {}, f"not measured: {refused[0]}")
    entry = one.entry(trained.models, side_px)
    scores = dict(bench.paired(entry))
    return TableRow(one.name, scores if one.ignores_sound else scores | {UNPAIRED: bench.unpaired(entry)})


_CELLS: Final = {
    f"I {50 if first else 100} %, II {50 if second else 100} %": (
        TrainingJob(GENERATOR, first),
        TrainingJob(TRANSLATOR, second),
    )
    for first in (True, False)
    for second in (True, False)
}
"""The cells of Table 3: on half of the speakers or on all."""


def _table_3(settings: Settings, footage: ExperimentData, trained: TrainedModels, bench: EvaluatedSystems) -> Table:
    models = trained.models
    nme = {job: _stage1_nme(settings, footage, models[job]) for job in {first for first, _ in _CELLS.values()}}
    rows = [
        TableRow(name, {**bench.paired(two_stage(models[first], models[second])), NME: nme[first]})
        for name, (first, second) in _CELLS.items()
    ]
    half = footage.half()
    notes = (
        "I: data of the landmark generator, II: of the translator. Half of the speakers, the same for both; paired "
        "audio, predicted landmarks. NME is that of stage 1's landmarks, over its 100 points.",
        *(f"{stage.value}: 50 % are {half.size_text(stage)}; 100 % are {footage.size_text(stage)}." for stage in Stage),
    )
    names = list(_CELLS)
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
_WITHOUT: Final = {f"without {name}": TrainingJob(TRANSLATOR, off=name) for name in (GATED, TEMPORAL, FACE_RECOGNITION)}
"""The rows of Table 4 without a component."""

_NO_SLOT: Final = (
    "not measured: the weight slot weights.vgg_face is empty, so no training here has that loss, and the row "
    f"“{_WHOLE}” has the other two alone"
)


def _table_4_jobs(settings: Settings) -> tuple[TrainingJob, ...]:
    recognises = settings.weights.vgg_face is not None
    return (*(job for job in _WITHOUT.values() if recognises or job.off != FACE_RECOGNITION), TRANSLATES)


def _table_4(settings: Settings, footage: ExperimentData, trained: TrainedModels, bench: EvaluatedSystems) -> Table:
    models = trained.models
    rows = [
        TableRow(name, bench.paired(true_landmarks(models[job]))) if job in models else TableRow(name, {}, _NO_SLOT)
        for name, job in {**_WITHOUT, _WHOLE: TRANSLATES}.items()
    ]
    columns = (FRECHET_COLUMN, *LIKENESS, OPENING)
    notes = (
        "True landmarks, so that nothing but the translator differs. (The paper's last row equals that of its Table 3, "
        "so it used predicted ones.) All rows take the same steps on the same windows.",
    )
    claims = tuple(
        Claim(f"{name.removeprefix('without ')} makes better pictures", _WHOLE, name, column.score)
        for name in _WITHOUT
        for column in columns[:-1]
    )
    title = "Table 4: components of the translation"
    return Table("table4", title, columns, tuple(rows), {"LRS2": paper.TABLE_4}, claims, notes)


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    "table1": Experiment(lambda _: tuple(job for one in SYSTEMS for job in one.needs), _table_1),
    "table3": Experiment(lambda _: (*(job for cell in _CELLS.values() for job in cell),), _table_3),
    "table4": Experiment(_table_4_jobs, _table_4),
}

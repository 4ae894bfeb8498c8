"""Scores of a study: the raters' answers, means of every system with intervals, and the agreement of raters.

Answers are checked against the key; invalid files are set aside with the reason.

Intervals of means, and agreement of raters: raters and clips are both samples, so an interval resamples both,
independently. Source: Art Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007,
https://arxiv.org/abs/0712.1111. It is a little wide rather than too narrow.

Agreement is Krippendorff's alpha for ordinal grades. Source: Klaus Krippendorff, Computing Krippendorff's
Alpha-Reliability, 2011, https://repository.upenn.edu/asc_papers/43. 1 is full agreement, 0 what chance gives; above 0.8
is usually taken as reliable, below 0.667 as too little to conclude from. It is written out here since no package in the
lock file has it: thirty lines are less than another dependency.

Shape suffix legend: R = raters, C = clips, S = resamples, U = units that are rated, V = different grades.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from heterodub.model.evaluation.clip_scores import SpeakerScores
from heterodub.model.evaluation.intervals import STANDARD, Interval, Resampling
from heterodub.schemas.display import counted
from heterodub.schemas.errors import SourceError
from heterodub.schemas.study import HEADINGS, QUESTIONS, Answers, Grades, Question, StudyKey
from heterodub.schemas.toml import describe
from heterodub.tasks.reproduction import paper
from heterodub.tasks.reproduction.table import ScoreColumn, Table, TableRow

Floats = NDArray[np.float64]


def crossed_interval(grades_RC: Sequence[Sequence[float | None]], how: Resampling = STANDARD) -> Interval:
    """Return the mean of all grades of a system; None is a clip that a rater did not see. Its `groups` are raters.

    No interval with fewer than two raters or two clips.

    Raises: ValueError - the rows differ in length.
    """
    if len({len(row) for row in grades_RC}) > 1:
        raise ValueError("rows of raters differ in length; use None for a clip without a grade")
    values = np.array([[np.nan if value is None else value for value in row] for row in grades_RC], np.float64)
    values = values.reshape(len(grades_RC), len(grades_RC[0]) if grades_RC else 0)
    left_out = int(np.isnan(values).sum())
    values = values[~np.isnan(values).all(axis=1)]
    values = values[:, ~np.isnan(values).all(axis=0)]
    graded = ~np.isnan(values)
    if not graded.any():
        return Interval(None, None, None, 0, 0, left_out)
    sums, (raters, clips) = np.where(graded, values, 0.0), graded.shape
    mean = float(sums.sum() / graded.sum())
    if min(raters, clips) < 2:
        return Interval(mean, None, None, clips, raters, left_out)
    draw = np.random.default_rng(how.seed)
    of_raters, of_clips = (draw.multinomial(count, np.full(count, 1 / count), how.resamples) for count in graded.shape)
    totals = np.einsum("sr,rc,sc->s", of_raters, sums, of_clips)
    weights = np.einsum("sr,rc,sc->s", of_raters, graded.astype(float), of_clips)
    means = totals[weights > 0] / weights[weights > 0]  # a sparse table may be drawn empty
    tail = (1 - how.level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(mean, float(low), float(high), clips, raters, left_out)


def krippendorff_alpha(grades_RU: Sequence[Sequence[float | None]]) -> float | None:
    """Compute the ordinal alpha of grades, in which None is a unit that a rater did not grade.

    None if it is not defined: no unit has two grades, or all grades are the same.

    Raises: ValueError - the rows differ in length.
    """
    if len({len(row) for row in grades_RU}) > 1:
        raise ValueError("rows of raters differ in length; use None for a unit without a grade")
    levels = sorted({value for row in grades_RU for value in row if value is not None})
    counts_UV = np.zeros((len(grades_RU[0]) if grades_RU else 0, len(levels)))
    for row in grades_RU:
        for unit, value in enumerate(row):
            if value is not None:
                counts_UV[unit, levels.index(value)] += 1
    counts_UV = counts_UV[counts_UV.sum(axis=1) > 1]  # a unit with one grade has nothing to agree with
    coincidences_VV = _coincidences(counts_UV)
    totals_V = coincidences_VV.sum(axis=0)
    distances_VV = _ordinal(totals_V)
    expected = float((np.outer(totals_V, totals_V) - np.diag(totals_V)).ravel() @ distances_VV.ravel())
    if not expected > 0:
        return None
    observed = float(coincidences_VV.ravel() @ distances_VV.ravel())
    return 1 - (float(totals_V.sum()) - 1) * observed / expected


def _coincidences(counts_UV: Floats) -> Floats:
    """Count how often two grades meet in a unit, each unit weighted by its number of grades: (V, V)."""
    grades_U = counts_UV.sum(axis=1)
    pairs_UVV = counts_UV[:, :, None] * counts_UV[:, None, :] - counts_UV[:, :, None] * np.eye(counts_UV.shape[1])
    return np.asarray((pairs_UVV / (grades_U - 1)[:, None, None]).sum(axis=0))


def _ordinal(totals_V: Floats) -> Floats:
    """Return squared distances of grades: number of grades from one to the other, the ends counting half: (V, V)."""
    middle_V = np.cumsum(totals_V) - totals_V / 2
    return np.square(middle_V[:, None] - middle_V[None, :])


@dataclass(frozen=True, slots=True)
class Gathered:
    """Valid answers. grades: by rater and item, without attention checks. set_aside: invalid files, with the reason.
    unfinished: valid raters who have not graded everything.
    """

    grades: Mapping[int, Mapping[str, Grades]]
    set_aside: Mapping[str, str]
    unfinished: tuple[int, ...]


def read_key(path: Path) -> StudyKey:
    """Read the key of a study.

    Raises: SourceError - it is missing or damaged.
    """
    try:
        return StudyKey.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = describe(error) if isinstance(error, ValidationError) else str(error)
        raise SourceError(f"key {path}: {reason}") from error


def gather(key: StudyKey, paths: Sequence[Path]) -> Gathered:
    """Read answers from files, or from the .json files of folders. A rater's later file replaces an earlier one.

    Raises: SourceError - there is no file, or one path is not there.
    """
    set_aside: dict[str, str] = {}
    counting: list[tuple[Path, Answers]] = []
    for path in _files(paths):
        answers = _read(path)
        problem = answers if isinstance(answers, str) else _problem(key, answers)
        if isinstance(answers, Answers) and problem is None:
            counting.append((path, answers))
        else:
            set_aside[str(path)] = str(problem)
    last: dict[int, tuple[Path, Answers]] = {}
    for path, answers in sorted(counting, key=lambda pair: pair[1].saved_utc):
        if answers.rater in last:
            set_aside[str(last[answers.rater][0])] = f"rater {answers.rater} saved another file later"
        last[answers.rater] = (path, answers)
    grades = {rater: _grades(key, answers) for rater, (_, answers) in sorted(last.items())}
    return Gathered(grades, set_aside, tuple(rater for rater in grades if not last[rater][1].finished))


def _grades(key: StudyKey, answers: Answers) -> Mapping[str, Grades]:
    return {answer.item: answer.grades for answer in answers.answers if key.items[answer.item].system is not None}


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(path.glob("*.json"))
        elif path.is_file():
            files.append(path)
        else:
            raise SourceError(f"answers {path}: there is no such file or folder")
    if not files:
        raise SourceError("there is no file of answers")
    return files


def _read(path: Path) -> Answers | str:
    try:
        return Answers.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        return f"it cannot be read: {describe(error) if isinstance(error, ValidationError) else error}"


def _problem(key: StudyKey, answers: Answers) -> str | None:
    """Return the reason why a file is invalid; None if it is valid."""
    items = [answer.item for answer in answers.answers]
    if answers.study != key.study:
        return f"it belongs to study {answers.study}, the key to {key.study}"
    if answers.form >= len(key.forms) or answers.form != (answers.rater - 1) % len(key.forms):
        return f"rater {answers.rater} was not shown order {answers.form}"
    if len(set(items)) < len(items) or not set(items) <= set(key.forms[answers.form]):
        return f"rater {answers.rater} graded videos that were not shown, or one twice"
    if any(set(answer.grades) != set(QUESTIONS) for answer in answers.answers):
        return f"rater {answers.rater} left a question open"
    return _attention(key, answers)


def _attention(key: StudyKey, answers: Answers) -> str | None:
    missed = [
        answer.item
        for answer in answers.answers
        if (expected := key.items[answer.item].expected) is not None and answer.grades != expected
    ]
    if missed:
        return f"rater {answers.rater} gave other grades than asked for in {len(missed)} attention checks"
    return None


WHAT_GRADES_ARE: Final = (
    "Grades from 1 to 5. Intervals (95 %) draw raters and clips, independently. Agreement is Krippendorff's ordinal "
    "alpha: 1 is full, 0 is chance; below 0.667 too little to conclude from.",
    "Absolute grades are not to be compared with the paper's: other raters, videos and baselines move the whole scale.",
)


@dataclass(frozen=True, slots=True)
class StudyScores:
    """Scores of a study. means: by system and question. agreement: by question; None where it is not defined."""

    title: str
    raters: int
    clips: int
    means: Mapping[str, Mapping[Question, Interval]]
    agreement: Mapping[Question, float | None]
    set_aside: Mapping[str, str]
    unfinished: tuple[int, ...]


def score_study(key_file: Path, answers: Sequence[Path]) -> StudyScores:
    """Compute the scores of a study from its key and the raters' files or folders of them.

    Raises: SourceError - the key or a path cannot be used, or no file counts.
    """
    key = read_key(key_file)
    gathered = gather(key, answers)
    if not gathered.grades:
        why = "; ".join(f"{path}: {reason}" for path, reason in gathered.set_aside.items())
        raise SourceError(f"no file of answers counts: {why}")
    clips = sorted({item.clip for item in key.items.values()})
    means = {
        system: {question: _mean(key, gathered, system, question, clips) for question in QUESTIONS}
        for system in key.systems
    }
    agreement = {question: _agreement(key, gathered, question) for question in QUESTIONS}
    return StudyScores(
        key.title, len(gathered.grades), len(clips), means, agreement, gathered.set_aside, gathered.unfinished
    )


def as_table(scores: StudyScores) -> Table:
    """Return the study's scores as Table 2 of the paper."""
    columns = tuple(
        ScoreColumn(question, HEADINGS[question], "more", HEADINGS[question], digits=2) for question in QUESTIONS
    )
    rows = tuple(
        TableRow(system, {question: SpeakerScores(interval, {}) for question, interval in means.items()})
        for system, means in scores.means.items()
    )
    counts = [
        f"{counted(scores.raters, 'rater')}, {counted(scores.clips, 'clip')}; "
        f"{counted(len(scores.set_aside), 'file')} of answers left out."
    ]
    counts += [f"{path} does not count: {why}." for path, why in scores.set_aside.items()]
    agreed = ", ".join(f"{HEADINGS[question]} {_alpha(value)}" for question, value in scores.agreement.items())
    notes = (*counts, f"Agreement of raters: {agreed}.", *WHAT_GRADES_ARE)
    title = "Table 2: what people say"
    return Table("table2", title, columns, rows, {"LRS2": paper.TABLE_2}, (), notes)


def _mean(key: StudyKey, gathered: Gathered, system: str, question: Question, clips: Sequence[str]) -> Interval:
    of_clip = {item.clip: name for name, item in key.items.items() if item.system == system}
    rows = [
        [grades[of_clip[clip]][question] if of_clip[clip] in grades else None for clip in clips]
        for grades in gathered.grades.values()
    ]
    return crossed_interval(rows)


def _agreement(key: StudyKey, gathered: Gathered, question: Question) -> float | None:
    items = [name for name, item in key.items.items() if item.system is not None]
    rows = [
        [grades[name][question] if name in grades else None for name in items] for grades in gathered.grades.values()
    ]
    return krippendorff_alpha(rows)


def _alpha(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"

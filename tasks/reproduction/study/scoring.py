"""Scores of a study: the raters' answers, means of every system with intervals, and the agreement of raters.

Answers are checked against the key; invalid files are set aside with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from heterodub.model.metrics.clip_scores import SpeakerScores
from heterodub.model.metrics.intervals import Interval
from heterodub.model.metrics.raters import crossed_interval, krippendorff_alpha
from heterodub.schemas.errors import SourceError
from heterodub.schemas.problems import describe
from heterodub.schemas.study import HEADINGS, QUESTIONS, Answers, Grades, Question, StudyKey
from heterodub.schemas.wording import counted
from heterodub.tasks.reproduction import paper
from heterodub.tasks.reproduction.table import ScoreColumn, Table, TableRow


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

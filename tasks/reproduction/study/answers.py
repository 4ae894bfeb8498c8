"""Answer files of raters: read, held against the key, and those set aside that cannot be counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import SourceError
from schemas.problems import describe
from schemas.study import QUESTIONS, Answers, Grades, StudyKey


@dataclass(frozen=True, slots=True)
class Gathered:
    """grades: by rater and item, attention checks left out. set_aside: files that do not count, and why. unfinished:
    raters who count and have not graded everything.
    """

    grades: Mapping[int, Mapping[str, Grades]]
    set_aside: Mapping[str, str]
    unfinished: tuple[int, ...]


def read_key(path: Path) -> StudyKey:
    """The key of a study.

    Raises: SourceError - it is missing or damaged.
    """
    try:
        return StudyKey.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        told = describe(error) if isinstance(error, ValidationError) else str(error)
        raise SourceError(f"key {path}: {told}") from error


def gather(key: StudyKey, given: Sequence[Path]) -> Gathered:
    """Answers in files, or in the .json files of folders. A rater's later file replaces an earlier one.

    Raises: SourceError - there is no file, or one path is not there.
    """
    set_aside: dict[str, str] = {}
    counting: list[tuple[Path, Answers]] = []
    for path in _files(given):
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
    return {one.item: one.grades for one in answers.answers if key.items[one.item].system is not None}


def _files(given: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += sorted(path.glob("*.json"))
        elif path.is_file():
            found.append(path)
        else:
            raise SourceError(f"answers {path}: there is no such file or folder")
    if not found:
        raise SourceError("there is no file of answers")
    return found


def _read(path: Path) -> Answers | str:
    try:
        return Answers.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        return f"it cannot be read: {describe(error) if isinstance(error, ValidationError) else error}"


def _problem(key: StudyKey, answers: Answers) -> str | None:
    """Why a file does not count; None if it does."""
    items = [one.item for one in answers.answers]
    if answers.study != key.study:
        return f"it belongs to study {answers.study}, the key to {key.study}"
    if answers.form >= len(key.forms) or answers.form != (answers.rater - 1) % len(key.forms):
        return f"rater {answers.rater} was not shown order {answers.form}"
    if len(set(items)) < len(items) or not set(items) <= set(key.forms[answers.form]):
        return f"rater {answers.rater} graded videos that were not shown, or one twice"
    if any(set(one.grades) != set(QUESTIONS) for one in answers.answers):
        return f"rater {answers.rater} left a question open"
    return _attention(key, answers)


def _attention(key: StudyKey, answers: Answers) -> str | None:
    missed = [
        one.item
        for one in answers.answers
        if (expected := key.items[one.item].expected) is not None and one.grades != expected
    ]
    if missed:
        return f"rater {answers.rater} gave other grades than asked for in {len(missed)} attention checks"
    return None

"""Answer files of raters: reading, checking against the key, and setting aside invalid ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import SourceError
from schemas.problems import describe
from schemas.study import QUESTIONS, Answers, Grades, StudyKey


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
    return {one.item: one.grades for one in answers.answers if key.items[one.item].system is not None}


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

"""Scores of a study: means of every system with intervals, and the agreement of raters."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from model.evaluation.aggregate import SpeakerScores
from model.metrics.agreement import krippendorff_alpha
from model.metrics.bootstrap import Interval
from model.metrics.crossed import crossed_interval
from schemas.errors import SourceError
from schemas.study import HEADINGS, QUESTIONS, Question, StudyKey
from schemas.wording import counted
from tasks.reproduction import published
from tasks.reproduction.study.answers import Gathered, gather, read_key
from tasks.reproduction.table import ScoreColumn, Table, TableRow

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

    def summary(self) -> dict[str, Any]:
        """Return the scores, ready for JSON."""
        return asdict(self)


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
    means = {system: {one: _mean(key, gathered, system, one, clips) for one in QUESTIONS} for system in key.systems}
    agreement = {one: _agreement(key, gathered, one) for one in QUESTIONS}
    return StudyScores(
        key.title, len(gathered.grades), len(clips), means, agreement, gathered.set_aside, gathered.unfinished
    )


def as_table(scores: StudyScores) -> Table:
    """Return the study's scores as Table 2 of the paper."""
    columns = tuple(ScoreColumn(one, HEADINGS[one], "more", HEADINGS[one], digits=2) for one in QUESTIONS)
    rows = tuple(
        TableRow(system, {one: SpeakerScores(interval, {}) for one, interval in means.items()})
        for system, means in scores.means.items()
    )
    counts = [
        f"{counted(scores.raters, 'rater')}, {counted(scores.clips, 'clip')}; "
        f"{counted(len(scores.set_aside), 'file')} of answers left out."
    ]
    counts += [f"{path} does not count: {why}." for path, why in scores.set_aside.items()]
    agreed = ", ".join(f"{HEADINGS[one]} {_alpha(value)}" for one, value in scores.agreement.items())
    notes = (*counts, f"Agreement of raters: {agreed}.", *WHAT_GRADES_ARE)
    title = "Table 2: what people say"
    return Table("table2", title, columns, rows, {"LRS2": published.TABLE_2}, (), notes)


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

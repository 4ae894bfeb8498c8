"""Cut lists: who speaks when in a film, as CSV or as RTTM, the format of diarisation tools.

CSV has the columns `start`, `end` and `person`, and where wanted `face`, a place, and `speech`, a file that begins with
the turn. Times are on the film's clock, from its first picture: seconds, or hours:minutes:seconds. Of RTTM the
SPEAKER lines count (NIST, "Rich transcription").

Imports no decoder.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.reasons import EXPLANATIONS
from heterodub.tasks.media.paths import open_regular

_MOST_BYTES: Final = 16 << 20
_MOST_FAULTS: Final = 20
MOST_FILES: Final = 16
"""Sound files and pictures of people of one film: each is handed to the process that dubs, open many times."""

_COLUMNS: Final = ("start", "end", "person", "face", "speech")
_RANK: Final = re.compile(r"[1-9]|1[0-6]")
_POINT: Final = re.compile(r"(0?\.\d+|0|1|1\.0*)\s*,\s*(0?\.\d+|0|1|1\.0*)")
_CLOCK: Final = re.compile(r"(?:(\d{1,6}):)?(\d{1,6}):([0-5]?\d(?:\.\d+)?)")
_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d*)?|\.\d+")


@dataclass(frozen=True, slots=True)
class Place:
    """Place of a face among those of a shot. rank: 1 for the largest, of kind "rank". x, y: of kind "point", shares of
    the displayed picture's width and height.
    """

    kind: Literal["left", "right", "rank", "point"]
    rank: int = 1
    x: float = 0.0
    y: float = 0.0


def place_of(text: str) -> Place | None:
    """Return the place that a text names; None where it names none."""
    text = text.strip().lower()
    if text in ("left", "right"):
        return Place("left" if text == "left" else "right")
    if text == "largest" or _RANK.fullmatch(text):
        return Place("rank", 1 if text == "largest" else int(text))
    if point := _POINT.fullmatch(text):
        return Place("point", x=float(point[1]), y=float(point[2]))
    return None


def place_text(place: Place | None) -> str:
    """Return the text that names a place, see place_of; empty without one."""
    if place is None:
        return ""
    texts = {"left": "left", "right": "right", "rank": str(place.rank), "point": f"{place.x:f},{place.y:f}"}
    return texts[place.kind]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a film's talk, seconds after its first picture. row: its number in the list, from 1.

    face: where the face is during this turn; else where the job says. speech: a file that begins with the turn; else
    the person's, which runs on the film's clock; None: the person goes on as filmed.
    """

    row: int
    start_s: float
    end_s: float
    person: str
    face: Place | None = None
    speech: str | None = None


def read_turns(job: DubJob) -> list[Turn]:
    """Read the cut list of a job, by time, with each turn's speech filled in.

    Raises: SourceError - it cannot be read, or says what cannot be; the text names every bad row.
    """
    name = job.turns or ""
    turns, faults = _parsed(name, _text(name), Path(job.video).stem)
    faults = faults or _faults_of(turns, job)
    if faults:
        more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        raise SourceError(f"{name}: {'; '.join(faults[:_MOST_FAULTS])}{more}")
    return sorted(turns, key=lambda turn: (turn.start_s, turn.row))


def turns_beyond(turns: Sequence[Turn], length_s: float) -> Iterator[str]:
    """Yield what is wrong with turns of a film that is so long: those that end more than a second after it."""
    for turn in turns:
        if turn.end_s > length_s + 1:
            yield f"row {turn.row}: it ends at {turn.end_s:g} s, the film is {length_s:.2f} s long"


def speech_files(turns: Sequence[Turn], speeches: Mapping[str, str]) -> list[str]:
    """Sound files of a film, each once: those of people, then those of single turns."""
    return list(dict.fromkeys([*speeches.values(), *(turn.speech for turn in turns if turn.speech)]))


def is_spoken(turn: Turn, speeches: Mapping[str, str]) -> bool:
    """Return True if a turn is dubbed: it has a speech of its own or by its person."""
    return turn.speech is not None or turn.person in speeches


def _text(name: str) -> str:
    if "://" in name:
        raise SourceError(f"{name}: a cut list is read from a local disk")
    try:
        with open_regular(Path(name)) as file:
            raw = file.read(_MOST_BYTES + 1)
    except MediaRefusedError as refusal:
        raise SourceError(f"{name}: {EXPLANATIONS[refusal.reason]}") from refusal
    except OSError as error:
        raise SourceError(f"{name}: {message_of(error)}") from error
    if len(raw) > _MOST_BYTES:
        raise SourceError(f"{name}: more than {_MOST_BYTES >> 20} MiB, which is no cut list")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{name}: it is no text in UTF-8") from error


def _parsed(name: str, text: str, stem: str) -> tuple[list[Turn], list[str]]:
    if name.lower().endswith(".rttm"):
        return _of_rttm(text, stem)
    return _of_csv(text, Path(name).absolute().parent)


def _of_csv(text: str, folder: Path) -> tuple[list[Turn], list[str]]:
    columns, rows, faults = _rows(text)
    if faults:
        return [], faults
    if missing := [column for column in _COLUMNS[:3] if column not in columns]:
        return [], [f"no column {' and '.join(missing)}; columns are {', '.join(_COLUMNS)}"]
    if unknown := [column for column in columns if column not in _COLUMNS]:
        return [], [f"unknown column {' and '.join(map(repr, unknown))}; columns are {', '.join(_COLUMNS)}"]
    turns: list[Turn] = []
    for number, row in enumerate(rows, start=1):
        if len(row) > len(columns):
            faults.append(f"row {number}: more cells than columns")
            continue
        cells = dict.fromkeys(_COLUMNS, "") | {name: cell.strip() for name, cell in zip(columns, row, strict=False)}
        face = place_of(cells["face"]) if cells["face"] else None
        if cells["face"] and face is None:
            faults.append(f"row {number}: face {cells['face']!r} is no place: left, right, largest, a rank, or x,y")
        start, end = _time(cells["start"]), _time(cells["end"])
        faults += [f"row {number}: {fault}" for fault in _faults_of_row(cells, start, end)]
        if start is not None and end is not None:
            speech = cells["speech"] if "://" in cells["speech"] else str(folder / cells["speech"])
            turns.append(Turn(number, start, end, cells["person"], face, speech if cells["speech"] else None))
    return turns, faults


def _rows(text: str) -> tuple[list[str], list[list[str]], list[str]]:
    """Return columns, the cells of each row that is not empty, and where no more rows can be separated."""
    reader, rows = csv.reader(io.StringIO(text)), []
    try:
        rows += [row for row in reader if row]
    except csv.Error as error:
        return [], [], [f"line {reader.line_num}: {error}; a quote before it may not be closed"]
    return [column.strip().lower() for column in rows[0]] if rows else [], rows[1:], []


def _of_rttm(text: str, stem: str) -> tuple[list[Turn], list[str]]:
    """Read the SPEAKER lines: of several films, those of the one that is named as the video."""
    faults: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if fields and fields[0] == "SPEAKER":
            if len(fields) < 8:
                faults.append(f"row {number}: {len(fields)} fields, SPEAKER lines have 9 or 10")
            else:
                rows.append((number, fields))
    films = {fields[1] for _, fields in rows}
    if len(films) > 1 and stem not in films:
        faults.append(f"it lists {len(films)} films, of which none is named {stem!r}")
    turns = []
    for number, fields in rows:
        if len(films) > 1 and fields[1] != stem:
            continue
        start, lasts, person = _seconds(fields[3]), _seconds(fields[4]), fields[7]
        end = None if start is None or lasts is None else start + lasts
        cells = {"start": fields[3], "end": fields[4], "person": person}
        faults += [f"row {number}: {fault}" for fault in _faults_of_row(cells, start, end)]
        if start is not None and end is not None:
            turns.append(Turn(number, start, end, person))
    return turns, faults


def _faults_of_row(cells: Mapping[str, str], start: float | None, end: float | None) -> Iterator[str]:
    for name, value in (("start", start), ("end", end)):
        if value is None:
            yield f"{cells[name][:40]!r} is no time: seconds, or hours:minutes:seconds"
            return
    if start is not None and end is not None and end <= start:
        yield f"it ends at {end:g} s, not after its start at {start:g} s"
    if not cells["person"] or re.search(r"[=;\s]", cells["person"]):
        yield f"person {cells['person']!r}: a name without spaces, '=' and ';'"


def _time(text: str) -> float | None:
    if clock := _CLOCK.fullmatch(text):
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    return _seconds(text)


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None


def _faults_of(turns: Sequence[Turn], job: DubJob) -> list[str]:
    """List what cannot be although every row can be read."""
    if not turns:
        return ["it names no turn"]
    names = {turn.person for turn in turns}
    listed = ", ".join(sorted(names)[:10])
    faults = [
        f"{kind} names {name}, who has no turn; the list has {listed}"
        for kind, given in (("--speech", job.speeches), ("--person", job.people))
        for name in given
        if name not in names
    ]
    spoken = [turn for turn in turns if is_spoken(turn, job.speeches)]
    if not spoken:
        faults.append(f"nobody in it has a speech; --speech NAME=FILE gives one, the list has {listed}")
    faults += [
        f"nothing says which face is {name}'s: --person {name}=left, right, 0.3,0.4, largest or a picture"
        for name in sorted({turn.person for turn in spoken if turn.face is None} - set(job.people))
    ]
    pictures = [given for given in job.people.values() if place_of(given) is None]
    if (count := len(speech_files(turns, job.speeches)) + len(pictures)) > MOST_FILES:
        faults.append(f"{count} sound files and pictures of people; {MOST_FILES} can be used in one film")
    return faults + list(_overlaps(turns))


def _overlaps(turns: Sequence[Turn]) -> Iterator[str]:
    latest: dict[str, Turn] = {}
    for turn in sorted(turns, key=lambda turn: turn.start_s):
        before = latest.get(turn.person)
        if before is not None and turn.start_s < before.end_s:
            yield f"rows {before.row} and {turn.row}: {turn.person} has two turns at {turn.start_s:g} s"
        if before is None or turn.end_s > before.end_s:
            latest[turn.person] = turn

"""The first corpus file and settings file, made from the look of a folder of footage.

What a corpus file is made to say is checked as `ingest` checks it, before anything is written.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from heterodub.model.files import write_atomic
from heterodub.schemas.config.described import settings_template
from heterodub.schemas.display import visible
from heterodub.schemas.errors import SettingsError, SourceError
from heterodub.schemas.toml import parse_model
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.open import corpus_files
from heterodub.tasks.sources.survey import FolderSurvey, survey_folder

CORPUS_FILE: Final = "corpus.toml"
SETTINGS_FILE: Final = "heterodub.toml"
_SHOWN: Final = 4
_EXAMPLES: Final = {
    "speaker": r"'(?P<speaker>spk\d+)/'",
    "licence": '"CC-BY-4.0"',
    "consent": '"given: form of 2024"',
    "purpose": '"research product"',
    "language": '"en"',
    "manifest": '"labels.csv"',
    "columns": '{uri = "file", speaker = "speaker_id"}',
}
"""Values that are shown where a corpus file does not set a field."""


@dataclass(frozen=True, slots=True)
class StarterFiles:
    """Texts of the two files, and the notes on what was guessed, by field of the corpus file."""

    corpus: str
    settings: str
    survey: FolderSurvey
    notes: Mapping[str, str]


def starter_files(folder: Path) -> StarterFiles:
    """Make both texts from a folder's look.

    Raises: SourceError - there is nothing in the folder that `ingest` would take.
    """
    survey, faults = survey_folder(folder), list[SourceError]()
    _require_text(survey.root)
    for values, notes in _proposals(survey):
        text = _corpus_text(survey, values, notes, faults)
        try:
            _check(parse_model(Corpus, text, CORPUS_FILE, SourceError))
        except SourceError as fault:
            faults.append(fault)
            continue
        return StarterFiles(text, settings_template(), survey, notes)
    raise faults[-1]


def _require_text(root: Path) -> None:
    try:
        str(root).encode()
    except UnicodeEncodeError:
        raise SourceError(
            f"{visible(str(root))}: its path is not UTF-8, which a corpus file cannot hold: ingest the folder itself"
        ) from None


def write_starter(folder: Path, output: Path, force: bool = False) -> dict[str, Any]:
    """Write both files into `output` and return what was found. A settings file that is there is kept without `force`.

    Raises: SourceError - see starter_files. SettingsError - a corpus file is there, or `output` lies in the footage.
    """
    corpus, settings = output / CORPUS_FILE, output / SETTINGS_FILE
    if output.resolve().is_relative_to(folder.resolve()):
        raise SettingsError(
            f"{output.resolve()} lies in the footage, which is only read: name a folder outside of it with --output"
        )
    if corpus.exists() and not force:
        raise SettingsError(f"{corpus} is there: --force replaces it, --output names another folder")
    files = starter_files(folder)
    keeps = settings.exists() and not force
    output.mkdir(parents=True, exist_ok=True)
    write_atomic(corpus, files.corpus)
    if not keeps:
        write_atomic(settings, files.settings)
    return {
        "corpus": str(corpus),
        "settings": f"{settings} is kept as it was" if keeps else str(settings),
        "media": _counts(files.survey) or "no file is named like a video",
        **files.notes,
    }


def _proposals(survey: FolderSurvey) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield what a corpus file may say and the notes on it, the best guess first."""
    base: dict[str, Any] = {"name": _name(survey.root), "root": str(survey.root)}
    listed, people = survey.manifest, survey.speakers
    if listed and ("speaker" in listed.columns or people is None):
        columns = {target: name for target, name in listed.columns.items() if target != name}
        values = (
            base | {"root": str(listed.root), "manifest": str(listed.path)} | ({"columns": columns} if columns else {})
        )
        others = (
            f"; {_some([path.name for path in survey.further_tables])} would do, too" if survey.further_tables else ""
        )
        note = f"{listed.path.name} lists {listed.rows} files"
        yield values, {"manifest": note + others}
    values, notes = base | {"glob": survey.glob}, dict[str, str]()
    if listed:
        notes["manifest"] = f"{listed.path.name} lists files, too, but is not used"
    if people:
        guess = f"a guess: {people.place} name {len(people.speakers)} speakers, such as {_some(people.speakers)}"
        yield values | {"speaker": people.pattern}, notes | {"speaker": guess}
    yield values, notes | {"speaker": "no names of speakers were seen; without them a speaker can be in two splits"}


def _check(corpus: Corpus) -> None:
    """Go through the files as `ingest` does.

    Raises: SourceError - it would be refused.
    """
    for _ in corpus_files(corpus, ()):
        pass


def _corpus_text(
    survey: FolderSurvey, values: Mapping[str, Any], notes: Mapping[str, str], faults: list[SourceError]
) -> str:
    lines = [
        f"# Made by `heterodub init` from the look of a folder: {_counts(survey) or 'no media'}, {survey.files} files."
    ]
    lines += [f"# Not used: {visible(line)}" for fault in faults for line in str(fault).splitlines()]
    lines.append("# Check what is called a guess before the first ingest: speakers are kept in one split each.")
    for name, field in Corpus.model_fields.items():
        lines += ["", f"# {field.description}", *([f"# {visible(notes[name])}"] if name in notes else [])]
        lines.append(
            f"{name} = {_toml(values[name])}" if name in values else f"#{name} = {_EXAMPLES.get(name, '')}".rstrip()
        )
    return "\n".join((*lines, ""))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if "\\" in value and "'" not in value and value.isprintable():
        return f"'{value}'"  # patterns stay as they are read
    return json.dumps(value, ensure_ascii=False)


def _counts(survey: FolderSurvey) -> str:
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(survey.media.items(), key=lambda pair: -pair[1]))


def _some(names: Any) -> str:
    shown = ", ".join(list(names)[:_SHOWN])
    return f"{shown} ..." if len(names) > _SHOWN else shown


def _name(root: Path) -> str:
    """Return a corpus's name made of its folder's."""
    return re.sub(r"[^\w.-]+", "-", root.name).strip("-") or "default"

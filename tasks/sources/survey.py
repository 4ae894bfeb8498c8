"""Survey of a folder of footage: its media, a manifest among its tables, and how its paths name speakers.

Nothing is decoded and nothing is written. What is a guess is said to be one by whoever shows it.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

import regex

from heterodub.schemas.errors import SourceError
from heterodub.tasks.sources import tabular
from heterodub.tasks.sources.columns import resolve
from heterodub.tasks.sources.folder import VIDEO_SUFFIXES
from heterodub.tasks.stores.workspace import MARKER

_MOST_FILES: Final = 200_000
_MOST_TABLES: Final = 50
_MOST_TABLE_BYTES: Final = 256_000_000
_SAMPLED_ROWS: Final = 50
"""Rows of a table whose files are looked for; few, since each is a question to the disk."""

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "uri": ("uri", "file", "path", "filename", "file_name", "filepath", "file_path", "video", "video_path", "media",
            "clip", "url"),
    "speaker": ("speaker", "speaker_id", "speakerid", "spk", "spk_id", "speaker_name", "person", "person_id", "actor",
                "identity", "client_id", "subject", "subject_id"),
    "licence": ("licence", "license"),
    "consent": ("consent",),
    "purpose": ("purpose",),
    "language": ("language", "lang", "locale"),
    "corpus": ("corpus", "dataset"),
    "offset": ("offset", "offset_s"),
}  # fmt: skip
"""Names under which tables of others give a manifest's columns, the likeliest first."""

_NOT_PEOPLE: Final = frozenset(
    {
        *("train", "training", "val", "valid", "validation", "dev", "test", "eval", "all", "data", "dataset", "raw"),
        *("media", "video", "videos", "film", "films", "movie", "movies", "clip", "clips", "audio", "footage", "mp4"),
        *("new", "old", "good", "bad", "misc", "other", "others", "tmp", "temp", "backup", "archive", "originals"),
        *("source", "sources", "hd", "sd", "part1", "part2"),
    }
)
_FITTING: Final = 0.8
"""Share of the media that a pattern for speakers must fit: some films always lie where they do not belong."""

_DATE: Final = regex.compile(r"(19|20)\d\d([-_.]?\d\d){0,2}")
_IN_NAME: Final = r"(?:^|/)(?P<speaker>(?:speaker|spk|id|s|p)[-_]?\d+)[-_.][^/]*$"


@dataclass(frozen=True, slots=True)
class SpeakerPattern:
    """A regular expression on paths below the root that names speakers, where they stand, and who was found."""

    pattern: str
    place: str
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedMedia:
    """A table that serves as a manifest: its path and root, and the table's column by the manifest's."""

    path: Path
    root: Path
    columns: Mapping[str, str]
    rows: int


@dataclass(frozen=True, slots=True)
class FolderSurvey:
    """Contents of a folder: media files by suffix, the number of all files, and what labels the media, if anything."""

    root: Path
    media: Mapping[str, int]
    files: int
    speakers: SpeakerPattern | None
    manifest: ListedMedia | None
    further_tables: tuple[Path, ...]
    """Tables that name media, too, and are not the manifest."""

    @property
    def glob(self) -> str:
        """Pattern of the media: their suffix where they share one and other files lie beside them, else everything."""
        alike = len(self.media) == 1 and sum(self.media.values()) < self.files
        return f"**/*{next(iter(self.media))}" if alike else "**/*"


def survey_folder(folder: Path) -> FolderSurvey:
    """Survey a folder.

    Raises: SourceError - it is no folder, is a workspace, cannot be listed, or holds no files.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder")
    if (folder / MARKER).is_file():
        raise SourceError(f"{folder} is a workspace, not footage; name the folder that it was ingested from")
    paths = list(islice(_files(folder), _MOST_FILES))
    if not paths:
        raise SourceError(f"{folder}: there are no files in it")
    media = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
    tables = list(_tables(folder, [path for path in paths if tabular.suffix_of(path.name)][:_MOST_TABLES]))
    best = max(tables, key=lambda table: (table.rows, "speaker" in table.columns), default=None)
    return FolderSurvey(
        folder.resolve(),
        Counter(path.suffix for path in media),
        len(paths),
        _speakers([str(path) for path in media]),
        best,
        tuple(table.path for table in tables if table is not best),
    )


def _files(folder: Path) -> Iterator[PurePosixPath]:
    """Yield the paths of files below the folder; workspaces and hidden files are passed over."""
    for place, folders, names in os.walk(folder):
        if MARKER in names:
            folders.clear()
            continue
        folders.sort()
        below = PurePosixPath(Path(place).relative_to(folder))
        yield from (below / name for name in sorted(names) if not name.startswith("."))


def _speakers(media: Sequence[str]) -> SpeakerPattern | None:
    """Find the level of folders, or the beginning of names, that tells two speakers or more apart."""
    folders = "".join
    for level in range(3):
        above = folders(["[^/]+/"] * level)
        names = _matches(pattern := f"^{above}(?P<speaker>[^/]+)/", media)
        if names and _are_people(names):
            return SpeakerPattern(pattern, "folders" if not level else f"folders at level {level + 1}", names)
    names = _matches(_IN_NAME, media)
    return SpeakerPattern(_IN_NAME, "the beginnings of names", names) if len(names) > 1 else None


def _matches(pattern: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Return the speakers that a pattern finds; none unless it fits most paths."""
    speakers = [match["speaker"] for path in paths if (match := regex.search(pattern, path))]
    return tuple(sorted(set(speakers))) if len(speakers) >= _FITTING * len(paths) else ()


def _are_people(names: Sequence[str]) -> bool:
    """Return True for names that may be people's: several, and none the name of a split, a kind or a day."""
    return len(names) > 1 and not any(name.lower() in _NOT_PEOPLE or _DATE.fullmatch(name) for name in names)


def _tables(folder: Path, paths: Sequence[PurePosixPath]) -> Iterator[ListedMedia]:
    """Yield the tables that name files which are there."""
    for path in paths:
        try:
            is_small = (folder / path).stat().st_size <= _MOST_TABLE_BYTES  # it is read whole
            table = _listed(folder / path, folder) if is_small else None
        except tabular.ERRORS:
            continue  # somebody's table about something else
        if table:
            yield table


def _listed(path: Path, folder: Path) -> ListedMedia | None:
    header, rows = tabular.read_table(path, *_NAMES["uri"])
    spelled = {regex.sub(r"[\s-]+", "_", name.strip().lower()): name for name in header}  # "Speaker ID" is speaker_id
    named = {
        target: next((spelled[name] for name in names if name in spelled), None) for target, names in _NAMES.items()
    }
    columns = {target: name for target, name in named.items() if name is not None}
    if "uri" not in columns:
        return None
    resolved = resolve(columns, header)
    sampled = list(islice(rows, _SAMPLED_ROWS))
    uris = [row.cells[resolved["uri"]] for row in sampled if resolved["uri"] in row.cells]
    for root in (path.parent, folder):
        if any((root / uri).is_file() for uri in uris if "://" not in uri):
            return ListedMedia(path.resolve(), root.resolve(), columns, len(sampled) + sum(1 for _ in rows))
    return None

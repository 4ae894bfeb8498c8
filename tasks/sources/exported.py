"""Raw files in the folder of an export, with their labels: an export as a source."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from heterodub.schemas.display import message_of
from heterodub.schemas.errors import SourceError
from heterodub.schemas.exports import MANIFEST, MEDIA, RECORD
from heterodub.schemas.records import RawFile
from heterodub.tasks.media.paths import local_path
from heterodub.tasks.sources.manifest import read_manifest


def exported_files(folder: Path, corpus_name: str) -> Iterator[RawFile]:
    """Yield the raw files of an export, labelled as they were when it was made.

    The folder may come from a stranger: its manifest may only name files in its own folder of media.

    Raises: SourceError - the export holds no media, its record or manifest is damaged, or names files elsewhere.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
        release, media = str(record["release"]), int(record["media"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise SourceError(f"{folder / RECORD} is not the record of an export: {message_of(error)}") from error
    if not media:
        raise SourceError(
            f"{folder} is an export of release {release[:20]} without raw files, so there is nothing to ingest: export "
            "again with --media, or ingest the footage itself"
        )
    home = (folder / MEDIA).absolute()
    for raw in read_manifest(folder / MANIFEST, corpus_name):
        path = local_path(raw.uri)
        if path is None or path.parent != home:
            raise SourceError(f"{folder / MANIFEST} names {raw.uri}, which is not in {home}")
        yield dataclasses.replace(raw, within=str(home.resolve()))

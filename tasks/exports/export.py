"""Export of a release into a folder: files of rows, descriptions, and raw files where they are asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.endings import ending_of_jobs
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.licences import UNSTATED
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import ClipReason
from heterodub.schemas.rights import RIGHTS
from heterodub.tasks.reading.workspace import ReleaseReader, Split, StageName
from heterodub.tasks.stores.active_policy import active_policy
from heterodub.tasks.stores.removal import remove_below

from .card import write_card
from .croissant import write_croissant
from .media import ClipSounds, copy_media
from .metadata import Contents, ExportedFile, write_record
from .rights import export_refusals, with_rights_of_files
from .rows import export_rows
from .shards import ParquetShards, Shards, TarShards

Form = Literal["webdataset", "hf", "croissant"]

_SHARDS: Final[dict[str, type[Shards]]] = {"webdataset": TarShards, "hf": ParquetShards, "croissant": ParquetShards}


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Request for an export. media: raw files, too; sound: a WAV per clip of stage 1, out of its raw file."""

    form: Form
    folder: Path
    stages: Sequence[StageName] = ("stage1", "stage2")
    splits: Sequence[Split] = ("train", "val", "test")
    media: bool = False
    sound: bool = False


def check_export(release: ReleaseReader, request: ExportRequest) -> None:
    """Refuse an export that could not be made.

    Raises: WorkspaceError - the folder holds something. NotFoundError - the release has no such clip.
    """
    folder = request.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WorkspaceError(f"{folder} holds something already: name a new folder for the export")
    counts = release.info.counts
    if not any(counts.get(stage, {}).get(split) for stage in request.stages for split in request.splits):
        asked = f"{' or '.join(request.stages)} in {', '.join(request.splits)}"
        raise NotFoundError(f"release {release.id} has no clip of {asked}: nothing to export")


def export_release(release: ReleaseReader, request: ExportRequest, limits: LimitSettings) -> dict[str, Any]:
    """Write a release into a folder that is not there yet, and return a summary. Complete or not there at all.

    Raises: as check_export. NotFoundError - a file of the release is gone. WorkspaceError - a file of it is
    damaged. OSError - the folder cannot be written to.
    """
    check_export(release, request)
    folder = request.folder.absolute()
    partial = folder.with_name(f".{folder.name}.partial")
    folder.parent.mkdir(parents=True, exist_ok=True)
    if partial.exists():  # of an export that was killed
        remove_below(folder.parent, partial)
    partial.mkdir()
    try:
        with ClipSounds(limits) if request.sound else nullcontext() as sounds:
            summary = _write(release, request, partial, limits.web_origins, sounds)
        partial.rename(folder)
    except BaseException:
        remove_below(folder.parent, partial)
        raise
    return summary | {"folder": str(folder)}


def _write(
    release: ReleaseReader, request: ExportRequest, folder: Path, origins: Sequence[str], sounds: ClipSounds | None
) -> dict[str, Any]:
    contents = Contents(release.info, with_audio=request.sound)
    datasets = [release.dataset(stage, split) for stage in request.stages for split in request.splits]
    policy = active_policy(release.workspace) or load_policy()
    stored = [
        with_rights_of_files(
            release.workspace,
            release.info,
            dataset.labelled().select(["clip_id", "media_id", "uri", *RIGHTS]).to_pylist(),
        )
        for dataset in datasets
    ]
    refusals = export_refusals(release.workspace, policy, [row for rows in stored for row in rows])
    labels = [[row for row in rows if row["clip_id"] not in refusals] for rows in stored]
    if not any(labels):
        raise NotFoundError(
            f"release {release.id}: the policy's rights allow no clip of it to be exported: {_reasons(refusals)}"
        )
    contents.licences = dict(sorted(Counter(row["licence"] or UNSTATED for rows in labels for row in rows).items()))
    videos: dict[str, str] = {}
    gone: dict[str, str] = {}
    if request.media:
        uris = {row["media_id"]: row["uri"] for rows in labels for row in rows}
        videos, gone = copy_media(release.workspace, release.info, uris, folder, origins)
    contents.media = len(videos)
    for dataset in datasets:
        written = _SHARDS[request.form](folder, dataset.stage, str(dataset.split), request.sound)
        for row in export_rows(dataset, videos, sounds, refusals):
            written.add(row)
        written.close()
        contents.files += [
            ExportedFile.of(folder, path, dataset.stage, str(dataset.split), count)
            for path, count in zip(written.paths, written.counts, strict=True)
        ]
    if request.form == "hf":
        write_card(folder, contents)
    elif request.form == "croissant":
        write_croissant(folder, contents)
    write_record(folder, request.form, contents)
    summary = _summary(contents, gone, {} if sounds is None else sounds.left_out)
    return summary | {"clips_left_out": len(refusals), "left_out_for": _reasons(refusals)}


def _reasons(refusals: Mapping[str, Sequence[ClipReason]]) -> str:
    counts = Counter(str(reason) for reasons in refusals.values() for reason in reasons)
    return ", ".join(f"{reason} ({count})" for reason, count in sorted(counts.items()))


def _summary(contents: Contents, gone: dict[str, str], silent: dict[str, str]) -> dict[str, Any]:
    clips = sum(file.clips for file in contents.files)
    return {
        "release": contents.release.release_id,
        "clips": {str(stage): counts for stage, counts in contents.stages.items()},
        "licences": contents.licences,
        "files": len(contents.files),
        "bytes": sum(file.size_bytes for file in contents.files),
        "media": contents.media,
        "media_left_out": gone,
        "sounds_left_out": silent,
        "state": ending_of_jobs(clips, len(gone) + len(silent)),
    }

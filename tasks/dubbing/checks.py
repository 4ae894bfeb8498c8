"""Checks of dubbing jobs before costly work: outputs that cannot be written, inputs that cannot be read.

No decoder is loaded here: tasks/dubbing/inputs.py opens files, in a child process, for a decoder may crash on them.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from schemas.config.dubbing import OUTPUT_FORMATS, DubJob
from schemas.config.settings import Settings
from schemas.errors import HeterodubError, WorkspaceError
from tasks.dubbing.outcomes import readable
from tasks.media.paths import local_path
from tasks.stores import tables
from tasks.stores.workspace import Workspace


def find_faults(
    jobs: Sequence[DubJob], ask: Callable[[DubJob], tuple[str, ...]], settings: Settings, written: bool = True
) -> dict[int, str]:
    """Return what is wrong with each job that cannot be done, by its place among the jobs.

    ask: calls inputs.input_faults in a child process; that the child dies of a file is the job's fault, too. written:
    the outputs are going to be written, so they have to be names that can be, and of no footage of the settings'
    workspace.
    """
    footage = _footage(settings, jobs) if written else set()
    faults: dict[int, str] = {}
    for place, job in enumerate(jobs):
        try:
            with readable(job.video):
                faults_of_job = (*(output_faults(job) if written else ()), *ask(job))
                if identity(Path(job.out)) in footage:
                    words = f"{job.out} is footage of {settings.workspace}; sources are never written to"
                    faults_of_job = (words, *faults_of_job)
        except HeterodubError as error:
            faults_of_job = (str(error),)
        if faults_of_job:
            faults[place] = "; ".join(faults_of_job)
    return faults


def output_faults(job: DubJob) -> Iterator[str]:
    """Yield the reasons why a job's output cannot be written under its name. Nothing is created or changed."""
    out = Path(job.out)
    if "://" in job.out:
        yield f"{job.out} is no local path: outputs are written to local disks"
        return
    if out.suffix.lower() not in OUTPUT_FORMATS:
        *others, last = OUTPUT_FORMATS
        yield f"{out} must end in {', '.join(others)} or {last}: H.264 and AAC are written, in these containers"
    if out.is_dir():
        yield f"{out} is a folder, not the name of a video to write"
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir():
        yield f"{above} is no folder that {out.name} could be written into"
    elif not os.access(above, os.W_OK | os.X_OK):
        yield f"{above} may not be written, so {out.name} cannot be"
    if any(identity(out) == identity(path) for path in local_inputs(job)):
        yield f"{out} is the source itself; sources are never written to"


def local_inputs(job: DubJob) -> list[Path]:
    """Inputs of a job that are on local disks."""
    named = [one for one in (job.video, job.speech, job.appearance_from) if one]
    paths = [local_path(one) if "://" in one else Path(one) for one in named]
    return [path for path in paths if path is not None]


def _footage(settings: Settings, jobs: Sequence[DubJob]) -> set[object]:
    """Identities of the catalog's files that one of the outputs may be. Of the others, which may be many, none is
    asked for: they have another size than any output that is there, and another name.
    """
    there = [Path(job.out) for job in jobs if Path(job.out).is_file()]
    sizes, names = {path.stat().st_size for path in there}, {path.name for path in there}
    try:
        ws = Workspace.open(settings.workspace) if there else None
    except WorkspaceError:
        return set()
    if ws is None:
        return set()
    rows = tables.read_any(ws, "catalog", ["uri", "size_bytes"]).to_pylist()
    near = [row["uri"] for row in rows if row["size_bytes"] in sizes or row["uri"].rsplit("/", 1)[-1] in names]
    return {identity(path) for uri in near if uri.startswith(("/", "file:")) and (path := local_path(uri))}


def identity(path: Path) -> object:
    """Key of a file that all its names share, links of either kind included, whether or not it exists yet."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def crossed_rows(jobs: Sequence[DubJob]) -> str | None:
    """Return which two of a manifest's rows share a file that one of them writes; None where none do."""
    writers: dict[object, int] = {}
    for number, job in enumerate(jobs, start=1):
        if (earlier := writers.setdefault(identity(Path(job.out)), number)) != number:
            return f"rows {earlier} and {number} both write {job.out}"
    for number, job in enumerate(jobs, start=1):
        for named in local_inputs(job):
            writer = writers.get(identity(named), number)
            if writer != number:
                return f"row {writer} writes {named}, which row {number} reads; sources are never written to"
    return None

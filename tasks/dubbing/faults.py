"""Faults of jobs that cannot be done, found before any work."""

from collections.abc import Callable, Sequence
from pathlib import Path

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import HeterodubError, WorkspaceError
from heterodub.tasks.dubbing.jobs import identity, output_faults, readable
from heterodub.tasks.dubbing.signing import unsignable
from heterodub.tasks.media.paths import local_path
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace


def find_faults(
    jobs: Sequence[DubJob], check: Callable[[DubJob], tuple[str, ...]], settings: Settings, written: bool = True
) -> dict[int, str]:
    """Return what is wrong with each job that cannot be done, by its place among the jobs; that a file kills the child
    is the job's fault, too.

    check: of a job's inputs. written: the outputs are going to be written, so they have to be names that can be, and of
    no footage of the settings' workspace.
    """
    footage = _footage(settings, jobs) if written else set()
    faults: dict[int, str] = {}
    for place, job in enumerate(jobs):
        words = [*output_faults(job), *unsignable(job, settings.provenance)] if written else []
        if identity(Path(job.out)) in footage:
            words.insert(0, f"{job.out} is footage of {settings.workspace}; sources are never written to")
        try:
            with readable(job.video):
                words += check(job)
        except HeterodubError as error:
            words = [str(error)]
        if words:
            faults[place] = "; ".join(words)
    return faults


def _footage(settings: Settings, jobs: Sequence[DubJob]) -> set[object]:
    """Identities of the catalog's files that one of the outputs may be. Of the others, which may be many, none is
    asked for: they have another size than any output that is there, and another name.
    """
    existing = [Path(job.out) for job in jobs if Path(job.out).is_file()]
    if not existing:
        return set()
    sizes, names = {path.stat().st_size for path in existing}, {path.name for path in existing}
    try:
        rows = tables.read_any(Workspace.open(settings.workspace), "catalog", ["uri", "size_bytes"]).to_pylist()
    except WorkspaceError:
        return set()
    similar = [row["uri"] for row in rows if row["size_bytes"] in sizes or row["uri"].rsplit("/", 1)[-1] in names]
    return {identity(path) for uri in similar if uri.startswith(("/", "file:")) and (path := local_path(uri))}

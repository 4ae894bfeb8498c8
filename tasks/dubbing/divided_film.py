"""One long film on several workers: planned here, painted and measured there in pieces, put together and judged here.

Who speaks, the predicted lips and the references follow from the whole film. Painting and measuring a section follow
from its frames (`dub.section_frames`), and take most of the time. Pieces and what comes of them lie in a folder beside
the output, which workers of a cluster see, too.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from heterodub.model.files import copy_untrusted, emptied
from heterodub.schemas.acceptance import AcceptancePolicy
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.jobs import ModelPaths, inputs_of
from heterodub.tasks.evaluation.acceptance_reports import AcceptedDub
from heterodub.tasks.ingestion.child_process import FunctionName
from heterodub.tasks.monitoring.progress import ProgressSink

_CHILD: Final = "heterodub.tasks.evaluation.film_pieces:"
_BEGIN, _ALONE, _DIVIDE = (FunctionName(_CHILD + name) for name in ("begin", "finish_alone", "divide"))
_TOGETHER, _FINISH = (FunctionName(_CHILD + name) for name in ("put_together", "finish"))
_PAINT: Final = FunctionName(_CHILD + "paint")
_MEASURE: Final = FunctionName(_CHILD + "measure_piece")

Spent = tuple[float, dict[str, float]]
"""Processor seconds of a piece, and seconds by kernel."""


class DubbingChild(Protocol):
    """A child in a sandbox with its models, see batch.Dubber. made: folder that it may write to."""

    made: Path

    def ask(self, work: FunctionName, *arguments: Any, progress: ProgressSink | None = None, **more: Any) -> Any:
        """Call work(*arguments) in the sandbox."""
        ...


@dataclass(frozen=True, slots=True)
class PieceWork:
    """Work of a worker on a piece. reads: the piece, and the finished file where it is measured. into: where its files
    go, and `files` their names.
    """

    work: FunctionName
    job: DubJob
    reads: tuple[Path, ...]
    into: Path
    files: tuple[str, ...]

    def done_by(self, dubber: DubbingChild, paths: ModelPaths, settings: Settings) -> Spent:
        """Do it in a dubber's child, and put the files into their place.

        Raises: as Decoder.run. OSError - there is no room.
        """
        media = [*inputs_of(self.job), *map(str, self.reads)]
        with emptied(dubber.made) as made:
            request = self.job, paths, settings, *self.reads, made
            spent: Spent = dubber.ask(self.work, *request, media=media, returns=Spent)
            for name in self.files:
                copy_untrusted(made / name, self.into.with_name(f"{self.into.name}.{name}"))
        return spent


Workers = Callable[[Sequence[PieceWork]], Iterable[Spent]]
"""Does work somewhere; gives what each took, in order."""

OpenWorkers = Callable[[ProgressSink], AbstractContextManager[tuple[int, Workers]]]
"""Opens workers; gives how many there are, and what has them work."""


def is_divisible(job: DubJob, frames: int, settings: Settings) -> bool:
    """Return True if workers can share a film: it has two sections, its translator is not fine-tuned to it, and none of
    the source's packets are kept.
    """
    is_plain = job.finetune is None and job.preserve in ("off", "near-lossless")
    return is_plain and frames > settings.dub.section_frames


def dub_divided(
    dubber: DubbingChild,
    job: DubJob,
    paths: ModelPaths,
    settings: Settings,
    policy: AcceptancePolicy | None,
    rendered: Path,
    progress: ProgressSink,
    workers: OpenWorkers,
) -> AcceptedDub:
    """Dub a film with the help of workers, into `rendered`; alone, if it is short. workers: opens them; gives how many.

    Raises: as worker.work_on; ClusterError - there are no workers, or they were lost.
    """
    given: dict[str, Any] = {"progress": progress, "media": inputs_of(job)}
    frames: int = dubber.ask(_BEGIN, job, paths, settings, returns=int, **given)
    if not is_divisible(job, frames, settings):
        alone: AcceptedDub = dubber.ask(_ALONE, rendered, policy, returns=AcceptedDub, **given)
        return alone
    out = Path(job.out).absolute()
    with (
        tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder,
        workers(progress) as (count, do),
    ):
        names: tuple[str, ...] = dubber.ask(_DIVIDE, dubber.made, count, returns=tuple[str, ...], **given)
        pieces = [Path(folder) / name for name in names]
        for piece in pieces:
            copy_untrusted(dubber.made / piece.name, piece)
            (dubber.made / piece.name).unlink()
        return _shared(dubber, job, policy, rendered, progress, pieces, do)


def _shared(
    dubber: DubbingChild,
    job: DubJob,
    policy: AcceptancePolicy | None,
    rendered: Path,
    progress: ProgressSink,
    pieces: Sequence[Path],
    do: Workers,
) -> AcceptedDub:
    media = inputs_of(job)
    progress.phase("dub pieces", len(pieces))
    kernels = [
        kernels for _, kernels in do([PieceWork(_PAINT, job, (piece,), piece, ("packets",)) for piece in pieces])
    ]
    packets = _made(pieces, "packets")
    reads = [*media, *map(str, packets)]
    dubber.ask(_TOGETHER, rendered, packets, kernels, progress=progress, media=reads, returns=type(None))
    spent, values, films = 0.0, list[Path](), list[Path]()
    if policy is not None:
        progress.phase("measure pieces", len(pieces))
        finished = pieces[0].with_name(f"finished{rendered.suffix}")
        copy_untrusted(rendered, finished)
        files = ("values", "small.mp4")
        works = [PieceWork(_MEASURE, job, (piece, finished), piece, files) for piece in pieces]
        spent = sum(cpu_s for cpu_s, _ in do(works))
        values, films = _made(pieces, "values"), _made(pieces, "small.mp4")
    request = rendered, policy, values, films, spent
    reads = [*media, *map(str, (*values, *films))]
    accepted: AcceptedDub = dubber.ask(_FINISH, *request, progress=progress, media=reads, returns=AcceptedDub)
    return accepted


def _made(pieces: Sequence[Path], name: str) -> list[Path]:
    return [piece.with_name(f"{piece.name}.{name}") for piece in pieces]

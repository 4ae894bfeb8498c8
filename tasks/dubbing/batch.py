"""Batches of dubbing jobs: one, or those of a manifest, in a child process in a sandbox. A job that fails does not stop
the others, and one that is finished is not done again.

Models are looked for outside of the sandbox, files are opened for the child, and its outputs are put in their places by
this process.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from heterodub.model.files import clear_partials, copy_untrusted, emptied
from heterodub.schemas.acceptance import AcceptancePolicy, load_acceptance_policy
from heterodub.schemas.config.cores import usable_cores
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError, HeterodubError, MediaRefusedError
from heterodub.tasks.dubbing.divided_film import OpenWorkers, dub_divided
from heterodub.tasks.dubbing.elsewhere import Elsewhere, Outcome
from heterodub.tasks.dubbing.job_faults import find_faults
from heterodub.tasks.dubbing.jobs import Dubbed, DubResult, ModelPaths, inputs_of, local_inputs, readable
from heterodub.tasks.dubbing.resume import finished, record_finished
from heterodub.tasks.dubbing.signing import sign_dub
from heterodub.tasks.evaluation.acceptance_reports import AcceptedDub, publish_reports, refusal_of
from heterodub.tasks.ingestion.child_process import ChildProcess, FunctionName
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.ingestion.sandbox import Sandbox
from heterodub.tasks.monitoring.progress import ProgressSink, TitledSink
from heterodub.tasks.provenance.certificate import Signer, open_signer
from heterodub.tasks.provenance.manifest import DubRecord
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.run_dirs import dubbings

_CHECK = FunctionName("heterodub.tasks.dubbing.inputs:input_faults")
_FIND = FunctionName("heterodub.tasks.dubbing.model_lookup:find_models")
_KEY = FunctionName("heterodub.tasks.dubbing.resume:dub_key")
_OPEN = FunctionName("heterodub.tasks.dubbing.worker:open_both")
_WORK = FunctionName("heterodub.tasks.dubbing.worker:work_on")
_RECORD = FunctionName("heterodub.tasks.dubbing.signing:dub_record")
# by name: only the children load decoders and models

_NEWS: Final = tuple[Literal["phase"], tuple[str, int | None]] | tuple[Literal["advance"], tuple[()]]


class Dubber:
    """A child that works on jobs one after the other, with all cores to itself; replaced when a job has killed it.

    models: names of models; those that are folders may be read. scratch: a folder for other models, and for outputs.
    tuned: jobs are going to adapt the translator, so that the folder for that may be written.

    Raises: WorkspaceError - `tuned`, and there is no workspace. SandboxError - see Decoder.
    """

    def __init__(
        self,
        settings: Settings,
        models: Sequence[str | None] = (),
        scratch: str | None = None,
        tuned: bool = False,
        cores: int | None = None,
    ) -> None:
        self._settings = settings
        self._scratch = Path(scratch or "")
        self.made = self._scratch / "made"
        self._tunings = dubbings(Workspace.open(settings.workspace)) if tuned else None
        writes = [*([self.made] if scratch else ()), *([self._tunings] if self._tunings else ())]
        for folder in writes:
            folder.mkdir(parents=True, exist_ok=True)
        reads = [str(Path(name).absolute()) for name in (*models, scratch) if name and Path(name).is_dir()]
        sandbox = Sandbox(
            (*reads, *settings.weights.paths), tuple(map(str, writes)), accelerators=settings.device != "cpu"
        )
        self._decoder = Decoder(settings.limits, sandbox, {"OMP_NUM_THREADS": str(cores or usable_cores())})
        self._outside = ChildProcess(settings.limits.memory_limit_gib, None)

    def check(self, job: DubJob, written: bool = True) -> tuple[str, ...]:
        """Check a job's inputs, and the file that its output would replace; see inputs.input_faults.

        Raises: MediaRefusedError - one of them killed the child.
        """
        media = [str(path) for path in (*local_inputs(job), Path(job.out)) if path.is_file()]
        faults: tuple[str, ...] = self.ask(
            _CHECK, job, self._settings.limits, written, media=media, returns=tuple[str, ...]
        )
        return faults

    def find(self, generator: str | None, translator: str | None) -> ModelPaths:
        """Find the models outside of the sandbox, where the tracking server is.

        Raises: as find_models. DubbingError - they killed the child.
        """
        request = (_FIND, self._settings, generator, translator, self._scratch)
        with _models_named():
            paths: ModelPaths = self._ask_outside(*request, returns=ModelPaths)
        return replace(paths, tunings=self._tunings)

    def open(self, paths: ModelPaths) -> None:
        """Open the models inside of the sandbox, to see that they can be used. The child outside has served: another
        comes where a record is asked of it.

        Raises: as worker.open_both. DubbingError - they killed the child.
        """
        self._outside.close()
        with _models_named():
            self.ask(_OPEN, paths, self._settings)

    def key(self, job: DubJob, paths: ModelPaths) -> str | None:
        """Key of all that a job's output follows from, see resume.dub_key; None if one of it cannot be read."""
        try:
            key: str = self._ask_outside(_KEY, job, paths, self._settings, returns=str)
        except (MediaRefusedError, OSError):  # dubbing says it with more words
            return None
        return key

    def dub(
        self,
        job: DubJob,
        paths: ModelPaths,
        policy: AcceptancePolicy | None,
        progress: ProgressSink,
        signer: Signer | None = None,
        workers: OpenWorkers | None = None,
    ) -> Dubbed:
        """Dub a job's video, measure it against a policy, sign it, and put the output under its name. workers: of long
        films.

        Raises: as dub.dub, and as Decoder.run. DubbingError - the policy refuses it. SigningError - it cannot be
        signed. OSError - there is no room for it.
        """
        with emptied(self.made) as made:
            rendered = made / f"dubbed{Path(job.out).suffix}"
            given = job, paths, self._settings
            if workers is not None:
                accepted = dub_divided(self, *given, policy, rendered, progress, workers)
            else:
                request = (_WORK, *given, rendered, policy)
                accepted = self.ask(*request, progress=progress, media=inputs_of(job), returns=AcceptedDub)
            dubbed = replace(accepted.dubbed, out=job.out, notes=(*paths.notes, *accepted.dubbed.notes))
            if refusal := refusal_of(dubbed):
                publish_reports(Path(job.out), dubbed, accepted.evidence, rendered)
                raise DubbingError(f"{job.video}: {refusal}")
            if signer is not None:
                progress.phase("sign", None)
                record = self._ask_outside(_RECORD, job, paths, dubbed, self._settings, returns=DubRecord)
                unsigned, rendered = rendered, rendered.with_name(f"signed{rendered.suffix}")
                notes = (*dubbed.notes, *sign_dub(self.ask, job, record, unsigned, rendered, signer))
                dubbed = replace(dubbed, signed_by=signer.certificate.signer, notes=notes)
            copy_untrusted(rendered, Path(job.out))
            publish_reports(Path(job.out), dubbed, accepted.evidence, rendered)
            return dubbed

    def ask(self, work: FunctionName, *arguments: Any, progress: ProgressSink | None = None, **more: Any) -> Any:
        """Call work(*arguments) in the sandbox; see Decoder.run."""
        sink = progress or ProgressSink()

        def on_message(event: Any) -> None:
            getattr(sink, event[0])(*event[1])

        limit_s = self._settings.dub.silence_s
        return self._decoder.run(
            work, *arguments, lenient=True, time_limit_s=limit_s, on_message=on_message, message_type=_NEWS, **more
        )

    def close(self) -> None:
        """End the children."""
        self._decoder.close()
        self._outside.close()

    def _ask_outside(self, work: FunctionName, *arguments: Any, returns: Any) -> Any:
        return self._outside.run(work, *arguments, time_limit_s=self._settings.dub.silence_s, returns=returns)


@contextmanager
def _models_named() -> Iterator[None]:
    """Name the models as the cause. Raises: DubbingError - in the place of MediaRefusedError."""
    try:
        yield
    except MediaRefusedError as refusal:
        raise DubbingError(f"the models could not be opened: {refusal}") from refusal


@contextmanager
def open_dubber(
    settings: Settings, generator: str | None, translator: str | None, tuned: bool = False, cores: int | None = None
) -> Iterator[Dubber]:
    """Provide a dubber, with a scratch folder for as long as the block lasts. cores: those it has, else all."""
    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as scratch,
        closing(Dubber(settings, (generator, translator), scratch, tuned, cores)) as dubber,
    ):
        yield dubber


def dub_jobs(
    jobs: Sequence[DubJob],
    generator: str | None,
    translator: str | None,
    settings: Settings,
    progress: ProgressSink,
    resume: bool = False,
    elsewhere: Elsewhere | None = None,
) -> list[DubResult]:
    """Dub every job, in order, in a child process. What goes wrong with one, a crash of its decoder or a hang too, is
    its outcome; what goes wrong with the models is raised. All are checked before the first is worked on, and those
    that cannot be done are not tried. resume: skip jobs that an earlier run finished, see tasks/dubbing/resume.py.
    elsewhere: works on several jobs in place of this process's child, and on pieces of a single long film.

    Raises: ModelFileError, TrackingError, WorkspaceError, WeightsMissingError, SigningError - before the first job.
    SettingsError - the acceptance policy cannot be read. DubbingError - opening the models killed the child.
    """
    with open_dubber(settings, generator, translator, any(job.finetune is not None for job in jobs)) as dubber:
        return dub_by(dubber, jobs, generator, translator, settings, progress, resume, elsewhere)


def dub_by(
    dubber: Dubber,
    jobs: Sequence[DubJob],
    generator: str | None,
    translator: str | None,
    settings: Settings,
    progress: ProgressSink,
    resume: bool = False,
    elsewhere: Elsewhere | None = None,
) -> list[DubResult]:
    """Dub every job by a dubber, which may have worked on others before; see dub_jobs.

    Raises: as dub_jobs.
    """
    results = {
        place: DubResult(jobs[place], None, fault) for place, fault in find_faults(jobs, dubber.check, settings).items()
    }
    left = [place for place in range(len(jobs)) if place not in results]
    signer = open_signer(settings.provenance)
    if left:
        policy = load_acceptance_policy(settings.dub.accept) if settings.dub.measure else None
        paths = dubber.find(generator, translator)
        keys = {place: dubber.key(jobs[place], paths) for place in left}
        results |= _finished(jobs, keys) if resume else {}
        if len(results) < len(jobs):
            dubber.open(paths)
    left = [place for place in left if place not in results]
    if elsewhere is not None and len(left) > 1:
        done = elsewhere.jobs({place: jobs[place] for place in left}, paths, policy, progress)
    else:
        workers = partial(elsewhere.pieces, paths) if elsewhere is not None and left else None
        works = (
            partial(dubber.dub, jobs[place], paths, policy, titled(progress, jobs, place), signer, workers)
            for place in left
        )
        done = ((place, outcome_of(jobs[place], work)) for place, work in zip(left, works, strict=True))
    for place, outcome in done:
        results[place] = _result(jobs[place], outcome, keys[place])
    return [results[place] for place in range(len(jobs))]


def check_jobs(jobs: Sequence[DubJob], settings: Settings, written: bool = True) -> dict[int, str]:
    """Say what is wrong with each job that cannot be done, by its place; see find_faults."""
    with closing(Dubber(settings)) as dubber:
        return find_faults(jobs, partial(dubber.check, written=written), settings, written)


def titled(progress: ProgressSink, jobs: Sequence[DubJob], place: int) -> ProgressSink:
    """Return the sink for the phases of one job; of several, each is named."""
    return TitledSink(progress, f"{place + 1}/{len(jobs)} {jobs[place].video}: ") if len(jobs) > 1 else progress


def _finished(jobs: Sequence[DubJob], keys: Mapping[int, str | None]) -> dict[int, DubResult]:
    """Results of the jobs that an earlier run finished, by their place."""
    earlier = {place: finished(Path(jobs[place].out), key) for place, key in keys.items() if key is not None}
    return {
        place: DubResult(jobs[place], dubbed, None, skipped=True)
        for place, dubbed in earlier.items()
        if dubbed is not None
    }


def outcome_of(job: DubJob, work: Callable[[], Dubbed]) -> Outcome:
    """Return what a job's work gives, or why it gives nothing."""
    try:
        with readable(job.video):
            return work()
    except HeterodubError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a video that no one thought of must not cost the others
        return f"{job.video}: {error}"


def _result(job: DubJob, outcome: Outcome, key: str | None) -> DubResult:
    if isinstance(outcome, str):
        clear_partials(Path(job.out))  # which a child that died has left
        return DubResult(job, None, outcome)
    dubbed = replace(outcome, out=job.out)
    if key is not None:
        record_finished(Path(job.out), key, dubbed)
    return DubResult(job, dubbed, None)

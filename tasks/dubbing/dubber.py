"""The process that dubs, in a sandbox: models are looked for outside, files are opened for it, and what it made is put
in its place by us.
"""

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from model.files import copy_untrusted
from schemas.config.dubbing import DubJob
from schemas.config.settings import Settings
from schemas.errors import DubbingError, MediaRefusedError
from tasks.dubbing.checks import local_inputs
from tasks.dubbing.outcomes import Dubbed
from tasks.ingestion.child_process import Isolated, Named
from tasks.ingestion.decoder_process import Decoder
from tasks.monitoring.progress import ProgressSink
from tasks.sandbox.confinement import Sandbox
from tasks.stores.workspace import Workspace
from tasks.training.run_dirs import dubbings

if TYPE_CHECKING:
    from model.syncnet.scorer import SyncScorer
    from tasks.dubbing.models import ModelPaths
    from tasks.evaluation.dubbing import DubScores

_LOOK = Named("tasks.dubbing.inputs:input_faults")
_FIND = Named("tasks.dubbing.worker:find")
_OPEN = Named("tasks.dubbing.worker:open_both")
_WORK = Named("tasks.dubbing.worker:work_on")
_JUDGE = Named("tasks.dubbing.worker:judge")
# by name: only the child loads decoders and models

_NEWS: Final = tuple[Literal["phase"], tuple[str, int | None]] | tuple[Literal["advance"], tuple[()]]


class Dubber:
    """A child that works on jobs one after the other, with all cores to itself; replaced when a job has killed it.

    models: names of models; those that are folders may be read. scratch: a folder for other models, and for what is
    made. tuned: jobs are going to adapt the translator, so that the folder for that may be written.

    Raises: WorkspaceError - `tuned`, and there is no workspace. SandboxError - see Decoder.
    """

    def __init__(
        self, settings: Settings, models: Sequence[str] = (), scratch: str | None = None, tuned: bool = False
    ) -> None:
        self._settings = settings
        self._scratch = None if scratch is None else Path(scratch)
        self._tunings = dubbings(Workspace.open(settings.workspace)) if tuned else None
        writes = [folder for folder in (self._scratch and self._scratch / "made", self._tunings) if folder is not None]
        for folder in writes:
            folder.mkdir(parents=True, exist_ok=True)
        reads = [
            str(Path(name).absolute()) for name in (*models, *([scratch] if scratch else ())) if Path(name).is_dir()
        ]
        sandbox = Sandbox(
            (*reads, *settings.weights.paths), tuple(map(str, writes)), accelerators=settings.device != "cpu"
        )
        self._decoder = Decoder(settings.limits, sandbox, {"OMP_NUM_THREADS": str(os.cpu_count() or 1)})

    def look(self, job: DubJob, written: bool = True) -> tuple[str, ...]:
        """Check a job's inputs, and the file that its output would replace; see inputs.input_faults.

        Raises: MediaRefusedError - one of them killed the child.
        """
        asked = (_LOOK, job, self._settings.limits, written)
        media = [str(path) for path in (*local_inputs(job), Path(job.out)) if path.is_file()]
        found: tuple[str, ...] = self._ask(ProgressSink(), *asked, media=media, returns=tuple[str, ...])
        return found

    def find(self, generator: str, translator: str) -> "ModelPaths":
        """Find the models outside of the sandbox, where the tracking server is, and open them inside.

        Raises: as worker.find and worker.open_both. DubbingError - they killed the child.
        """
        from tasks.dubbing.models import ModelPaths

        asked = (_FIND, self._settings, generator, translator, str(self._scratch))
        with closing(Isolated(self._settings.limits.memory_limit_gib, None)) as finder:
            try:
                found: ModelPaths = finder.run(*asked, time_limit_s=self._settings.dub.silence_s, returns=ModelPaths)
                found = replace(found, tunings=self._tunings)
                self._ask(ProgressSink(), _OPEN, found, self._settings)
            except MediaRefusedError as refusal:
                raise DubbingError(f"the models could not be opened: {refusal}") from refusal
        return found

    def dub(self, job: DubJob, found: "ModelPaths", watcher: ProgressSink) -> Dubbed:
        """Dub a job's video, and put what was made under its name.

        Raises: as dub.dub, and as Decoder.run. OSError - there is no room for it.
        """
        made = Path(self._scratch or "", "made", f"dubbed{Path(job.out).suffix}")
        asked = (_WORK, job, found, self._settings, made)
        dubbed: Dubbed = self._ask(watcher, *asked, media=_media(job), returns=Dubbed)
        copy_untrusted(made, Path(job.out))
        return replace(dubbed, out=job.out)

    def judge(self, job: DubJob, found: "ModelPaths", scorer: "SyncScorer", watcher: ProgressSink) -> "DubScores":
        """Score a job's finished file; see tasks/evaluation/dubbing.py.

        Raises: as that, and as Decoder.run.
        """
        from tasks.evaluation.dubbing import DubScores

        asked = (_JUDGE, job, found, self._settings, scorer)
        scores: DubScores = self._ask(watcher, *asked, media=[*_media(job), job.out], returns=DubScores)
        return scores

    def close(self) -> None:
        """End the child."""
        self._decoder.close()

    def _ask(self, watcher: ProgressSink, work: Named, *arguments: Any, **more: Any) -> Any:
        def hear(news: Any) -> None:
            getattr(watcher, news[0])(*news[1])

        limit_s = self._settings.dub.silence_s
        return self._decoder.run(work, *arguments, lenient=True, time_limit_s=limit_s, hear=hear, hears=_NEWS, **more)


def _media(job: DubJob) -> list[str]:
    return [name for name in (job.video, job.speech, job.appearance_from) if name]

"""End-to-end evaluation of dubbings: landmarks detected in the finished file against the wanted ones and the speech.

An existing output of a job is evaluated read-only (unpaired). The same video with its own speech (paired), and a job
whose output is missing, are dubbed into a scratch folder. The same tracker then detects landmarks in the file; they are
compared with the landmarks that stage 1 predicted, and with the speech. Controls are the undubbed source, and its mouth
at rest ("copy").

Shape suffix legend: N = output frames, T = frames at 25 fps, P = 216 points, XY = 2 coordinates.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from model.dubbing.faces import nth_face
from model.dubbing.timing import OutputTimeline, at_times
from model.evaluation.generator import reference_frames
from model.features.mel import log_mel
from model.features.timing import frame_to_sample, frame_to_second, frames_around
from model.metrics.bootstrap import Interval, mean_interval, reduction_interval
from model.metrics.controls import copy_reference
from model.metrics.landmarks import score_clip
from model.metrics.verdicts import ControlVerdict, control_verdict, no_interval
from model.syncnet.score import SyncScore, score_sync
from model.syncnet.scorer import SyncScorer
from model.syncnet.windows import SyncClip
from schemas.config.dubbing import DubJob
from schemas.config.settings import Settings
from schemas.endings import ending_of_jobs, with_ending
from schemas.errors import DubbingError, HeterodubError
from tasks.dubbing.dub import DubPlan, open_inputs, open_speech, plan_dub, render
from tasks.dubbing.face_tracking import follow
from tasks.dubbing.jobs import readable
from tasks.dubbing.models import Models
from tasks.dubbing.passes import PassMonitor
from tasks.dubbing.segments import Segment
from tasks.faces.backend import LandmarkBackend
from tasks.media.canvas import Canvas
from tasks.media.source_video import SourceVideo
from tasks.media.speech import SpeechSource
from tasks.monitoring.progress import ProgressSink

Setting = Literal["paired", "unpaired"]
System = Literal["dubbed", "source", "copy"]
Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

SCORES: Final = (
    "face_found_frac",
    "nme_lips",
    "mouth_opening_corr",
    "mouth_opening_std_ratio",
    "sync",
    "passed_through",
)


@dataclass(frozen=True, slots=True)
class DubClipScores:
    """Scores of one video in one setting under one system; None where one cannot be measured.

    face_found_frac: share of frames with a face in the source in which one is detected in the finished file; None where
    detection did not run. nme_lips, mouth_opening_corr, mouth_opening_std_ratio: of detected against wanted landmarks,
    in frames that are no reference of either stage. sync: of the detected landmarks, with the speech
    (model/syncnet/score.py). passed_through: share of frames that were not dubbed.
    """

    video: str
    setting: Setting
    system: System
    face_found_frac: float | None
    nme_lips: float | None
    mouth_opening_corr: float | None
    mouth_opening_std_ratio: float | None
    sync: float | None
    passed_through: float | None


@dataclass(frozen=True, slots=True)
class DubScores:
    """Scores of dubbings. means: by setting, system and score. failed: videos that could not be evaluated, with the
    reason. notes: remarks on an output, by its name.
    """

    generator: str
    translator: str
    rows: tuple[DubClipScores, ...]
    means: dict[str, dict[str, dict[str, Interval]]]
    failed: dict[str, str]
    notes: dict[str, str]

    @property
    def evaluated(self) -> int:
        """Number of evaluated videos, counted once for each setting."""
        return sum(row.system == "dubbed" for row in self.rows)

    @property
    def verdicts(self) -> tuple[ControlVerdict, ...]:
        """Verdicts on the detected lips against a mouth at rest, by setting."""
        verdicts = []
        for setting in self.means:
            own, still = (
                [row.nme_lips for row in self.rows if (row.setting, row.system) == (setting, system)]
                for system in ("dubbed", "copy")
            )
            value = reduction_interval(own, still)
            verdict = control_verdict(f"copy ({setting} speech)", "nme_lips", value, "error of the lips", "video")
            verdicts.append(verdict)
        return tuple(verdicts)

    @property
    def no_interval(self) -> str | None:
        """Reason in words why no error of the dubbed lips has an interval; None where one has."""
        causes = [no_interval(systems["dubbed"]["nme_lips"], "video") for systems in self.means.values()]
        return None if None in causes else causes[0] if causes else "no video could be evaluated"

    def summary(self) -> dict[str, Any]:
        """Return the scores and the final state, ready for JSON."""
        verdicts = {"verdicts": [asdict(verdict) for verdict in self.verdicts], "no_interval": self.no_interval}
        return with_ending(asdict(self) | verdicts, ending_of_jobs(self.evaluated, len(self.failed)))


def evaluate_dubbings(
    jobs: Sequence[DubJob],
    models: Models,
    backend: LandmarkBackend,
    settings: Settings,
    scorer: SyncScorer,
    scratch: Path,
    watcher: ProgressSink,
) -> DubScores:
    """Score each job's output, and its video dubbed with its own speech. Only `scratch` is written to."""
    rows: list[DubClipScores] = []
    failed: dict[str, str] = {}
    notes: dict[str, str] = {}
    evaluator = _DubEvaluator(models, backend, settings, scorer, scratch, watcher)
    for job in jobs:
        own = job.model_copy(update={"speech": job.video, "out": str(scratch / "paired.mp4")})
        settings_of: tuple[tuple[Setting, DubJob], ...] = (("paired", own), ("unpaired", job))
        for setting, one in settings_of:
            try:
                note = _evaluate_job(setting, one, evaluator, rows)
            except HeterodubError as error:
                failed[f"{job.video} ({setting})"] = str(error)
            else:
                notes |= {job.out: note} if note else {}
    return DubScores(*models.names, tuple(rows), means_of(rows), failed, notes)


def merged(scores: Sequence[DubScores]) -> DubScores:
    """Scores of several jobs, each judged by itself with the same models, as one."""
    rows = [row for one in scores for row in one.rows]
    failed = {name: why for one in scores for name, why in one.failed.items()}
    notes = {name: note for one in scores for name, note in one.notes.items()}
    return DubScores(scores[0].generator, scores[0].translator, tuple(rows), means_of(rows), failed, notes)


def means_of(rows: Sequence[DubClipScores]) -> dict[str, dict[str, dict[str, Interval]]]:
    """Return means over videos, with intervals, by setting, system and score."""
    means: dict[str, dict[str, dict[str, Interval]]] = {}
    for setting, system in dict.fromkeys((row.setting, row.system) for row in rows):
        own = [row for row in rows if (row.setting, row.system) == (setting, system)]
        scores = {name: mean_interval([getattr(row, name) for row in own]) for name in SCORES}
        means.setdefault(setting, {})[system] = scores
    return means


@dataclass(frozen=True, slots=True)
class _DubEvaluator:
    """Models and settings of an evaluation."""

    models: Models
    backend: LandmarkBackend
    settings: Settings
    scorer: SyncScorer
    scratch: Path
    watcher: ProgressSink


def _evaluate_job(setting: Setting, job: DubJob, evaluator: _DubEvaluator, rows: list[DubClipScores]) -> str | None:
    """Add the rows of a job in one setting; return a note on its file, if there is one."""
    settings = evaluator.settings
    delivered = setting == "unpaired" and Path(job.out).is_file()
    out = Path(job.out) if delivered else evaluator.scratch / "made.mp4"
    plan = _planned(job, evaluator, None if delivered else out)
    with readable(str(out)):
        film = SourceVideo.open(out, settings.limits)
        part = max(plan.parts, key=lambda one: len(one.rows_N))
        detected, seen = _detect(film, part, plan.timeline, evaluator)
    wanted = part.landmarks(slice(0, len(part.rows_N)))
    track = part.face.track
    tracked = track.usable[part.rows_N]
    reference = reference_frames(track.usable, settings.dub.references)
    is_reference_N = np.isin(part.rows_N, reference) | np.isin(part.rows_N + track.first, part.face.references)
    detected_frac = float((seen & tracked).sum() / tracked.sum()) if tracked.any() else None
    copied = copy_reference(track.points_TPXY[reference], wanted.source_NPXY)
    with open_speech(job.speech, settings.limits, evaluator.scratch) as speech:

        def scored(
            system: System, points: Floats, flags: Flags, looked: float | None, passed: float | None
        ) -> DubClipScores:
            moved = _landmark_scores(points, wanted.wanted_NPXY, flags & ~is_reference_N)
            sync = _sync(evaluator.scorer, speech, points, flags, part.times_N) if flags.any() else None
            return DubClipScores(job.video, setting, system, looked, *moved, sync, passed)

        rows += [
            scored("dubbed", detected, seen & tracked, detected_frac, 1 - plan.dubbed / plan.timeline.frames),
            scored("source", track.points_TPXY[part.rows_N], tracked, None, None),
            scored("copy", copied, tracked, None, None),
        ]
    if delivered:
        return _other_models_note(film, evaluator.models)
    return f"{job.out} is missing; a fresh dubbing was evaluated" if setting == "unpaired" else None


def _planned(job: DubJob, evaluator: _DubEvaluator, out: Path | None) -> DubPlan:
    """Return the plan of a job's dubbing; out: a file to render it to."""
    with open_inputs(job, evaluator.models, evaluator.backend, evaluator.settings, evaluator.watcher) as inputs:
        plan = plan_dub(inputs)
        if out is not None:
            render(inputs, plan, out)
    return plan


def _other_models_note(film: SourceVideo, models: Models) -> str | None:
    """Return a note if a file was made by other models than those it is evaluated with, else None."""
    generator, translator = models.names
    comment = film.comment()
    if f"landmarks={generator};" in comment and f"translator={translator}" in comment:
        return None
    makers = comment[comment.find("landmarks=") :] if "landmarks=" in comment else "models that it does not name"
    return f"{film.path} was made by {makers}; it is compared with landmarks of {generator}"


def _landmark_scores(
    points_NPXY: Floats, wanted_NPXY: Floats, counts_N: Flags
) -> tuple[float | None, float | None, float | None]:
    """Return nme_lips, mouth_opening_corr and mouth_opening_std_ratio over frames that count; None each without any."""
    if not counts_N.any():
        return None, None, None
    scores = score_clip(points_NPXY, wanted_NPXY, counts_N)
    return scores.nme_lips, scores.mouth_opening_corr, scores.mouth_opening_std_ratio


def _detect(
    film: SourceVideo, part: Segment, timeline: OutputTimeline, evaluator: _DubEvaluator
) -> tuple[NDArray[np.float32], Flags]:
    """Detect landmarks (N, 216, 2) in the part's frames of the finished file; second: flags of detections (N,).

    Raises: DubbingError - the file has other frames than the dubbing. MediaRefusedError - it cannot be read.
    """
    clips = evaluator.settings.clips
    followed = follow(film, Canvas(film.look()), evaluator.backend, clips, 1, PassMonitor())
    if len(followed.ticks_S) != timeline.frames:
        raise DubbingError(
            f"{film.path} has {len(followed.ticks_S)} frames where the job gives {timeline.frames}: it was made of "
            f"another video, speech or length"
        )
    points = part.face.track.points_TPXY[part.rows_N].copy()
    seen = np.zeros(timeline.frames, bool)
    for track in nth_face(followed.tracks, 1):
        low, high = max(track.first, part.first), min(track.stop, part.stop)
        if high > low:
            points[low - part.first : high - part.first] = track.points_TPXY[low - track.first : high - track.first]
            seen[low:high] = track.tracked_T[low - track.first : high - track.first]
    return points, seen[part.first : part.stop]


def _sync(
    scorer: SyncScorer, speech: SpeechSource, points_NPXY: Floats, flags_N: Flags, times_N: NDArray[np.float64]
) -> float | None:
    first, stop = frames_around(float(times_N[0]), float(times_N[-1]))
    times = np.array([frame_to_second(frame) for frame in range(first, stop)])
    points = at_times(points_NPXY, times_N, times)
    flags = at_times(flags_N[:, None].astype(np.float64), times_N, times)[:, 0] == 1
    mel = log_mel(speech.samples(frame_to_sample(first), frame_to_sample(stop - first)), stop - first)
    scored = score_sync(scorer, SyncClip.of(points, flags, mel))
    return scored.score if isinstance(scored, SyncScore) else None

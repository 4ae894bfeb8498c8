"""End-to-end evaluation of dubbings: landmarks detected in the finished file against the wanted ones and the speech.

An existing output of a job is evaluated read-only (unpaired). The same video with its own speech (paired), and a job
whose output is missing, are dubbed into a scratch folder. The same tracker then detects landmarks in the file; they are
compared with the landmarks that stage 1 predicted, and with the speech. Controls are the undubbed source, and its mouth
at rest ("copy").

Shape suffix legend: N = output frames, T = frames at 25 fps, P = 216 points, XY = 2 coordinates.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.timing import OutputTimeline, at_times
from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.controls import copy_reference
from heterodub.model.evaluation.generator import SYNC, reference_frames
from heterodub.model.evaluation.landmarks import score_clip
from heterodub.model.evaluation.report import Report, ReportSpec, make_report
from heterodub.model.evaluation.sync_windows import SyncClip
from heterodub.model.evaluation.syncnet import SyncScore, SyncScorer, score_sync
from heterodub.model.features.arrays import Flags, Floats
from heterodub.model.features.mel import log_mel
from heterodub.model.features.timing import frame_to_sample, frame_to_second, frames_around
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.endings import ending_of_jobs, with_ending
from heterodub.schemas.errors import HeterodubError
from heterodub.tasks.dubbing.dialogue import SpokenTurn
from heterodub.tasks.dubbing.dub import DubPlan, plan_dub, render
from heterodub.tasks.dubbing.dub_inputs import open_inputs
from heterodub.tasks.dubbing.jobs import readable
from heterodub.tasks.dubbing.models import Models
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.dubbing.segments import Segment, VoiceSource
from heterodub.tasks.dubbing.turns import is_spoken, place_text, read_turns
from heterodub.tasks.evaluation.finished_frames import finished_frames
from heterodub.tasks.faces.backend import LandmarkBackend
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.monitoring.progress import ProgressSink

Setting = Literal["paired", "unpaired"]

_LANDMARK_SCORES: Final = ("nme_lips", "mouth_opening_corr", "mouth_opening_std_ratio")
_SETTINGS: Final[tuple[Setting, ...]] = ("paired", "unpaired")

DUB_REPORT: Final = ReportSpec(
    systems=tuple(f"{setting}/{system}" for setting in _SETTINGS for system in ("dubbed", "source", "copy")),
    scores=("face_found_frac", *_LANDMARK_SCORES, SYNC, "passed_through"),
    comparisons=tuple((f"{setting}/dubbed", f"{setting}/copy") for setting in _SETTINGS),
    errors=("nme_lips",),
    gains=(),
    deciding=("nme_lips", "error of the lips"),
    decisive=tuple(f"{setting}/copy" for setting in _SETTINGS),
    drawn="video",
)
"""Report of dubbings, in each setting against the mouth at rest.

face_found_frac: share of frames with a face in the source in which one is detected in the finished file; missing where
detection did not run. nme_lips, mouth_opening_corr, mouth_opening_std_ratio: of detected against wanted landmarks, in
frames that are no reference of either stage. SYNC: of the detected landmarks, with the speech. passed_through: share of
frames that were not dubbed.
"""


@dataclass(frozen=True, slots=True)
class DubScores:
    """Scores of dubbings. rows: by output and "setting/system"; each output counts as a speaker of its own. failed:
    videos that could not be evaluated, with the reason. notes: remarks on an output, by its name.
    """

    generator: str
    translator: str
    rows: tuple[ClipScores, ...]
    failed: dict[str, str]
    notes: dict[str, str]

    @property
    def evaluated(self) -> int:
        """Number of evaluated videos, counted once for each setting."""
        return sum(row.system.endswith("/dubbed") for row in self.rows)

    @property
    def report(self) -> Report:
        """Means over videos, and verdicts on the detected lips against a mouth at rest, by setting."""
        return make_report(self.rows, DUB_REPORT)

    def summary(self) -> dict[str, Any]:
        """Return the scores and the final state, ready for JSON."""
        scores = asdict(self) | {"rows": [row.row() for row in self.rows]} | asdict(self.report)
        return with_ending(scores, ending_of_jobs(self.evaluated, len(self.failed)))


def evaluate_dubbing(
    job: DubJob,
    models: Models,
    backend: LandmarkBackend,
    settings: Settings,
    scorer: SyncScorer,
    scratch: Path,
    progress: ProgressSink,
) -> DubScores:
    """Score a job's output, and its video dubbed with its own speech; of a job by turns, each person by the longest
    stretch in which they are dubbed. Only `scratch` is written to.
    """
    rows: list[ClipScores] = []
    failed: dict[str, str] = {}
    notes: dict[str, str] = {}
    evaluator = _DubEvaluator(models, backend, settings, scorer, scratch, progress)
    paired = _with_own_speech(job, scratch).model_copy(update={"out": str(scratch / "paired.mp4")})
    for setting, variant in zip(_SETTINGS, (paired, job), strict=True):
        try:
            note = _evaluate_job(setting, variant, job.out, evaluator, rows)
        except HeterodubError as error:
            failed[f"{job.video} ({setting})"] = str(error)
        else:
            notes |= {job.out: note} if note else {}
    return DubScores(*models.names, tuple(rows), failed, notes)


def merged(scores: Sequence[DubScores]) -> DubScores:
    """Merge scores of several jobs, each evaluated by itself with the same models."""
    rows = tuple(row for part in scores for row in part.rows)
    failed = {name: why for part in scores for name, why in part.failed.items()}
    notes = {name: note for part in scores for name, note in part.notes.items()}
    return DubScores(scores[0].generator, scores[0].translator, rows, failed, notes)


@dataclass(frozen=True, slots=True)
class _DubEvaluator:
    """Models and settings of an evaluation."""

    models: Models
    backend: LandmarkBackend
    settings: Settings
    scorer: SyncScorer
    scratch: Path
    progress: ProgressSink


def _evaluate_job(
    setting: Setting, job: DubJob, name: str, evaluator: _DubEvaluator, rows: list[ClipScores]
) -> str | None:
    """Add the rows of a job in one setting, under a name; return a note on its file, if there is one."""
    settings = evaluator.settings
    delivered = setting == "unpaired" and Path(job.out).is_file()
    out = Path(job.out) if delivered else evaluator.scratch / "made.mp4"
    with open_inputs(job, evaluator.models, evaluator.backend, settings, evaluator.progress) as inputs:
        plan = plan_dub(inputs)
        if not delivered:
            render(inputs, plan, out)
        with readable(str(out)):
            film = SourceVideo.open(out, settings.limits)
            people = _people(plan)
            found = _detect(film, [_longest(parts) for parts in people.values()], plan.timeline, evaluator)
        for person, parts in people.items():
            part = _longest(parts)
            shown = np.concatenate([one.shown_N for one in parts]) if person else plan.is_shown
            who = f"{name} ({person})" if person else name
            rows += _scored(setting, who, part, *found[part], float((shown == 0).mean()), evaluator)
    if delivered:
        return _other_models_note(film, evaluator.models)
    return f"{job.out} is missing; a fresh dubbing was evaluated" if setting == "unpaired" else None


def _scored(
    setting: Setting,
    name: str,
    part: Segment,
    detected: NDArray[np.float32],
    is_detected: Flags,
    passed: float,
    evaluator: _DubEvaluator,
) -> list[ClipScores]:
    """Score a person in a part of the file. passed: share of frames that are the source's."""
    targets = part.landmarks(slice(0, len(part.rows_N)))
    track = part.face.track
    tracked = track.usable[part.rows_N]
    reference = reference_frames(track.usable, evaluator.settings.dub.references)
    is_reference_N = np.isin(part.rows_N, reference) | np.isin(part.rows_N + track.first, part.face.references)
    detected_frac = float((is_detected & tracked).sum() / tracked.sum()) if tracked.any() else None
    copied = copy_reference(track.points_TPXY[reference], targets.source_NPXY)

    def scored(system: str, points: Floats, flags: Flags, **more: float | None) -> ClipScores:
        metrics = _landmark_scores(points, targets.wanted_NPXY, flags & ~is_reference_N)
        sync = _sync(evaluator.scorer, part.voice, points, flags, part.times_N) if flags.any() else None
        return ClipScores(name, name, f"{setting}/{system}", metrics | {SYNC: sync} | more)

    return [
        scored("dubbed", detected, is_detected & tracked, face_found_frac=detected_frac, passed_through=passed),
        scored("source", track.points_TPXY[part.rows_N], tracked),
        scored("copy", copied, tracked),
    ]


def _people(plan: DubPlan) -> dict[str, list[Segment]]:
    """Return the segments of each person who has turns, by name; of a job with one speech, those of nobody's name."""
    people: dict[str, list[Segment]] = {}
    for part in plan.parts:
        person = part.voice.turn.person if isinstance(part.voice, SpokenTurn) else ""
        people.setdefault(person, []).append(part)
    return people


def _longest(parts: Sequence[Segment]) -> Segment:
    return max(parts, key=lambda segment: len(segment.rows_N))


def _with_own_speech(job: DubJob, scratch: Path) -> DubJob:
    """Return a job with the video's own sound in the place of every speech."""
    if job.turns is None:
        return job.model_copy(update={"speech": job.video})
    turns = [turn for turn in read_turns(job) if is_spoken(turn, job.speeches)]
    path = scratch / "turns.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("start", "end", "person", "face"))
        rows.writerows((turn.start_s, turn.end_s, turn.person, place_text(turn.face)) for turn in turns)
    people = {turn.person for turn in turns}
    kept = {person: place for person, place in job.people.items() if person in people}
    own = dict.fromkeys(sorted(people), job.video)
    return job.model_copy(update={"turns": str(path), "speeches": own, "people": kept})


def _other_models_note(film: SourceVideo, models: Models) -> str | None:
    """Return a note if a file was made by other models than those it is evaluated with, else None."""
    generator, translator = models.names
    comment = film.comment()
    if f"landmarks={generator};" in comment and f"translator={translator}" in comment:
        return None
    makers = comment[comment.find("landmarks=") :] if "landmarks=" in comment else "models that it does not name"
    return f"{film.path} was made by {makers}; it is compared with landmarks of {generator}"


def _landmark_scores(points_NPXY: Floats, wanted_NPXY: Floats, counts_N: Flags) -> dict[str, float | None]:
    """Score landmarks over frames that count; None each without any."""
    if not counts_N.any():
        return dict.fromkeys(_LANDMARK_SCORES)
    scores = score_clip(points_NPXY, wanted_NPXY, counts_N)
    return {name: getattr(scores, name) for name in _LANDMARK_SCORES}


def _detect(
    film: SourceVideo, parts: Sequence[Segment], timeline: OutputTimeline, evaluator: _DubEvaluator
) -> dict[Segment, tuple[NDArray[np.float32], Flags]]:
    """Detect landmarks (N, 216, 2) in the frames of each part of the finished file; second: flags of detections (N,).

    Raises: DubbingError - the file has other frames than the dubbing. MediaRefusedError - it cannot be read.
    """
    found = {part: (part.face.track.points_TPXY[part.rows_N], np.zeros(len(part.rows_N), bool)) for part in parts}
    clips, section_frames = evaluator.settings.clips, evaluator.settings.dub.section_frames
    in_order = sorted(parts, key=lambda part: part.first)
    given = film, in_order, timeline, evaluator.backend, clips, PassMonitor(), section_frames
    for frame in finished_frames(*given):
        for part, points in frame.found.items():
            if points is not None:
                row = frame.number - part.first
                found[part][0][row], found[part][1][row] = points, True
    return found


def _sync(
    scorer: SyncScorer, speech: VoiceSource, points_NPXY: Floats, flags_N: Flags, times_N: NDArray[np.float64]
) -> float | None:
    first, stop = frames_around(float(times_N[0]), float(times_N[-1]))
    times = np.array([frame_to_second(frame) for frame in range(first, stop)])
    points = at_times(points_NPXY, times_N, times)
    flags = at_times(flags_N[:, None].astype(np.float64), times_N, times)[:, 0] == 1
    mel = log_mel(speech.samples(frame_to_sample(first), frame_to_sample(stop - first)), stop - first)
    scored = score_sync(scorer, SyncClip.of(points, flags, mel))
    return scored.score if isinstance(scored, SyncScore) else None

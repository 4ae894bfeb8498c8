"""Measuring of a finished file: one pass over it beside the source, shot by shot.

Memory holds some pictures of the running shots, and a dozen numbers of each of their frames.
"""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.timing import at_times
from heterodub.model.evaluation import landmarks as lips
from heterodub.model.evaluation.leak import LEAST_FRAMES as LEAK_FRAMES
from heterodub.model.evaluation.leak import best_lag, leak
from heterodub.model.features.arrays import Flags, Rgb
from heterodub.model.features.timing import frame_to_second, frames_around
from heterodub.schemas.acceptance import ShotMeasures
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.dubbing.compositing import source_pictures
from heterodub.tasks.dubbing.dub import DubPlan
from heterodub.tasks.dubbing.dub_inputs import DubInputs, FilmInputs
from heterodub.tasks.dubbing.jobs import readable
from heterodub.tasks.dubbing.passes import ahead
from heterodub.tasks.dubbing.segments import Segment, VoiceSource
from heterodub.tasks.evaluation.finished_frames import FinishedFrame, finished_frames
from heterodub.tasks.evaluation.shot_meter import FrameValues, ShotMeter, ShotValues
from heterodub.tasks.evaluation.shot_sound import silent_frames, sound_lag
from heterodub.tasks.identity.face_network import FaceNetwork, open_face_network
from heterodub.tasks.media.canvas import Canvas
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.media.speech import SpeechSource

_HIGH: Final = 95
"""Percentile over a shot's frames: a twentieth may be worse, which is one frame in most blinks of an eye."""

_SPEAKS: Final = 0.02
"""Spread of the wanted opening, in the face frame, below which nothing is said: to compare with it would be to compare
with noise. Speech has three times as much."""

_LEAST_FIT: Final = 0.5
"""Correlation of found and wanted opening from which on their lag is trusted."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredShot:
    """Measures of a shot, and the values of its frames behind them. stills: JPEGs of the source's crop beside the
    dub's, by measure, where it is worst.
    """

    segment: Segment
    measures: ShotMeasures
    frames: FrameValues
    stills: dict[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class FramePair:
    """A frame of the finished file beside the source's picture of it, both as displayed."""

    time_s: float
    dubbed: Rgb
    source: Rgb


class FilmMeter:
    """Measures frames of a finished file, all or some. `pairs` is the pass; `values` holds what was measured, by shot.

    numbers: of the frames, from the start of a section on; else all.
    """

    def __init__(self, inputs: FilmInputs, plan: DubPlan, finished: Path, numbers: range | None = None) -> None:
        self._inputs, self._plan, self._finished = inputs, plan, finished
        self._numbers = numbers or range(plan.timeline.frames)
        self.values: dict[Segment, ShotValues] = {}

    def pairs(self) -> Generator[FramePair]:
        """Yield every frame beside its source once it is measured.

        Raises: DubbingError - the file has other frames than the plan. SourceError - it cannot be read.
        """
        inputs, plan, numbers = self._inputs, self._plan, self._numbers
        monitor, section_frames = inputs.monitor, inputs.settings.dub.section_frames
        canvas = Canvas(plan.look)
        running: dict[Segment, ShotMeter] = {}
        with readable(str(self._finished)):
            film = SourceVideo.open(self._finished, inputs.settings.limits)
            given = film, plan.parts, plan.timeline, inputs.backend, inputs.settings.clips, monitor
            coming = ahead(finished_frames(*given, section_frames, numbers))
            sources = ahead(source_pictures(inputs.film, plan.timeline, monitor, numbers))
            with closing(sources), closing(coming):
                for frame, picture in zip(coming, sources, strict=True):
                    with monitor("colours"):
                        source = canvas.rgb(picture.frame, picture.geometry)
                    with monitor("measure"):
                        self._add(frame, source, running)
                    monitor.progress.advance()
                    yield FramePair(frame.time_s, frame.rgb, source)
            for meter in running.values():
                meter.flush()

    def _add(self, frame: FinishedFrame, source: Rgb, running: dict[Segment, ShotMeter]) -> None:
        settings = self._inputs.settings
        for segment in frame.found:
            if segment not in running:
                meter = ShotMeter(segment, recogniser_of(settings), settings.dub.section_frames, frame.number)
                running[segment], self.values[segment] = meter, meter.measured
            running[segment].add(frame, source)
        for segment in [segment for segment in running if segment.stop == frame.number + 1]:
            running.pop(segment).flush()


def measured_shots(
    inputs: DubInputs, plan: DubPlan, values: Mapping[Segment, ShotValues], sound: SpeechSource
) -> list[MeasuredShot]:
    """Return the measures of every shot, by its end, from the values of all of its frames. sound: of the file."""
    recogniser, timeline = recogniser_of(inputs.settings), plan.timeline
    shots = []
    for number, segment in enumerate(sorted(plan.parts, key=lambda part: part.stop)):
        measured = values[segment]
        figures, missing = _values(segment, measured.frames, recogniser, inputs.speech, sound)
        end_s = float(int(timeline.ticks_N[segment.stop - 1] + timeline.lasts_N[segment.stop - 1]) * timeline.base)
        worst_s = {name: still.time_s for name, still in measured.worst.items()}
        begins_s = float(segment.times_N[0])
        measures = ShotMeasures(number, segment.first, segment.stop, begins_s, end_s, figures, missing, worst_s)
        stills = {name: still.jpeg for name, still in measured.worst.items()}
        shots.append(MeasuredShot(segment, measures, measured.frames, stills))
    return shots


_Values = tuple[dict[str, float | None], dict[str, MissingCause]]


def _values(
    segment: Segment,
    frames: FrameValues,
    recogniser: FaceNetwork | MissingCause,
    speech: VoiceSource,
    sound: SpeechSource,
) -> _Values:
    """Return the measures of a shot, and the causes of those that are missing."""
    strength, found = frames.of("strength"), frames.of("found") == 1
    is_dubbed, counts = strength > 0, (strength == 1) & found
    silent = silent_frames(segment.voice, segment.times_N)
    frames.extend("silent", silent)
    values: dict[str, float | None] = {
        "face_found_frac": float(found[is_dubbed].mean()) if is_dubbed.any() else None,
        **_lips(frames, counts),
        **_silence(frames.of("opening")[counts & silent]),
        **{name: _high(frames.of(name)) for name in ("seam", "colour_step", "flicker")},
        "sharpness": _middle(frames.of("sharpness")),
        "identity_distance": _middle(frames.of("identity_distance")),
        "covered_frac": float(frames.of("covered").mean()),
        "passed_through": float((strength == 0).mean()),
        "outside_psnr_db": _middle(frames.of("outside_psnr_db")),
        **_sync(segment, frames, counts, speech, sound),
    }
    return values, {name: _cause(name, recogniser, counts, silent) for name, value in values.items() if value is None}


def _lips(frames: FrameValues, counts: Flags) -> dict[str, float | None]:
    opening, wanted, source = (frames.of(name)[counts] for name in ("opening", "wanted", "source"))
    speaks = counts.any() and float(wanted.std()) >= _SPEAKS
    return {
        "nme_lips": float(frames.of("nme_lips")[counts].mean()) if counts.any() else None,
        "mouth_opening_corr": lips.correlation(opening, wanted) if speaks else None,
        "mouth_opening_std_ratio": lips.spread_ratio(opening, wanted) if speaks else None,
        "source_leak": leak(opening, source, wanted),
    }


def _silence(opening: NDArray[np.float64]) -> dict[str, float | None]:
    enough = len(opening) >= lips.LEAST_FRAMES
    return {
        "silent_motion": float(opening.std()) if enough else None,
        "silent_opening": float(np.median(opening)) if enough else None,
    }


def _sync(
    segment: Segment, measured: FrameValues, counts: Flags, speech: VoiceSource, sound: SpeechSource
) -> dict[str, float | None]:
    planned, actual = segment.times_N, np.array(measured.time_s)
    lag = sound_lag(sound, speech, float(planned[0]), float(planned[-1]))
    if lag is None:
        return {"sync_offset_s": None, "sound_match": None}
    late_s = 0.0
    if counts.any():
        first, stop = frames_around(float(planned[0]), float(planned[-1]))
        grid = np.array([frame_to_second(frame) for frame in range(first, stop)])
        opening, wanted = (
            at_times(measured.of(name)[counts], times[counts], grid)
            for name, times in (("opening", actual), ("wanted", planned))
        )
        frames = best_lag(opening, wanted, _LEAST_FIT)
        late_s = 0.0 if frames is None else frames * frame_to_second(1)
    return {"sync_offset_s": lag[0] - late_s, "sound_match": lag[1]}


def _high(values: NDArray[np.float64]) -> float | None:
    return float(np.nanpercentile(values, _HIGH)) if not np.isnan(values).all() else None


def _middle(values: NDArray[np.float64]) -> float | None:
    return float(np.nanmedian(values)) if not np.isnan(values).all() else None


def recogniser_of(settings: Settings) -> FaceNetwork | MissingCause:
    """Return the recogniser of faces, or why there is none: whoever switches embeddings off has no face described."""
    if not settings.identity.embeddings:
        return MissingCause.SWITCHED_OFF
    return open_face_network() or MissingCause.NOT_INSTALLED


def _cause(name: str, recogniser: FaceNetwork | MissingCause, counts: Flags, silent: Flags) -> MissingCause:
    """Return why a shot has no such measure."""
    if name == "identity_distance":
        return recogniser if isinstance(recogniser, MissingCause) else MissingCause.NO_FACE_FRAMES
    if name in ("sync_offset_s", "sound_match"):
        return MissingCause.SILENT
    if not counts.any():
        return MissingCause.NO_FACE_FRAMES
    if name.startswith("silent_"):
        return MissingCause.TOO_SHORT if silent.any() else MissingCause.NO_PAUSE
    least = LEAK_FRAMES if name == "source_leak" else lips.LEAST_FRAMES
    return MissingCause.TOO_SHORT if counts.sum() < least else MissingCause.MOUTH_STILL

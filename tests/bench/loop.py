"""The bare loop: the same kernels over the same files, one after the other, in one process.

No Prefect, no Dask, no child processes, no encoding, no stores. A clock around each kernel gives the table that says
where the time goes.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from heterodub.model.features.mel import log_mel
from heterodub.model.features.timing import frame_to_sample, frame_to_second
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.faces.backend import LandmarkBackend, open_backend
from heterodub.tasks.faces.tracker import FaceTracker
from heterodub.tasks.ingestion.clip_builder import ClipBuilder, Draft, FrameContext
from heterodub.tasks.ingestion.process_file import _face_track
from heterodub.tasks.media.decode import open_video, with_combs
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.shots import with_cuts
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.sound import Sound, open_sound
from heterodub.tasks.media.transitions import TransitionFinder
from heterodub.tasks.quality.av_sync import measure_av_sync
from heterodub.tasks.quality.measure import ClipSound, measure_clip
from heterodub.tasks.quality.picture import is_still
from heterodub.tasks.quality.sound import measure_sound


class Loop:
    """Runs the kernels; `spent` holds seconds by kernel, `media_s` the seconds of picture that went through.

    `clock` is read around each kernel; time.process_time minds other work on the machine less.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.perf_counter) -> None:
        self.settings = settings
        self._now = clock
        self.spent: Counter[str] = Counter()
        self.media_s = 0.0
        self.seconds = 0.0
        self._backend: LandmarkBackend = open_backend(settings)

    def run(self, files: list[Path]) -> "Loop":
        """Work through the files and return self."""
        started = self._now()
        for file in files:
            self._file(file)
        self.seconds = self._now() - started
        return self

    @contextmanager
    def _clock(self, kernel: str) -> Iterator[None]:
        started = self._now()
        yield
        self.spent[kernel] += self._now() - started

    def _timed(self, items: Iterator[Any], kernel: str, *without: str) -> Iterator[Any]:
        """The items, with the time to make each; `without` names what is inside it and has clocks of its own."""
        while True:
            started, inner = self._now(), sum(self.spent[name] for name in without)
            try:
                item = next(items)
            except StopIteration:
                self.spent[kernel] += self._now() - started
                return
            spent = self._now() - started
            self.spent[kernel] += spent - (sum(self.spent[name] for name in without) - inner)
            yield item

    def _file(self, file: Path) -> None:
        limits, clips = self.settings.limits, self.settings.clips
        with self._clock("hash"):
            fingerprint(file)
        container = sniff(file)
        facts = probe(file, container, limits)
        transitions = TransitionFinder()
        tracker, builder = FaceTracker(self._backend, clips), ClipBuilder(clips, transitions)
        with tempfile.TemporaryDirectory() as scratch, open_video(file, container, facts, limits) as video:
            with self._clock("decode sound"):
                sound = open_sound(file, container, facts, video.origin_s, 0.0, Path(scratch))
            decoded = self._timed(video.frames(), "decode pictures")
            combed = self._timed(with_combs(decoded), "combs", "decode pictures")
            shot, before = 0, None
            for frame, small, cut in self._timed(
                with_cuts(combed, clips.cut_threshold), "shot cuts", "combs", "decode pictures"
            ):
                shot += cut
                self.media_s += frame_to_second(1)
                if not frame.repeated:
                    with self._clock("gradual transitions"):
                        transitions.add(frame.index, frame.source_s, small)
                with self._clock("faces: detect, mesh, track"):
                    faces = tracker.step(frame.rgb, cut, frame.repeated)
                with self._clock("fingerprint, stillness"):
                    grey = before if frame.repeated else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
                    still = not frame.repeated and is_still(before, grey)
                before = grey
                picture = FrameContext(frame.index, frame.rgb, shot, not frame.repeated, still, grey, frame.is_combed)
                for draft in self._timed(builder.add(picture, faces), "crops, picture measures"):
                    self._clip(draft, sound)
            transitions.end()
            for draft in builder.end():
                self._clip(draft, sound)
            if isinstance(sound, Sound):
                sound.close()

    def _clip(self, draft: Draft, sound: Any) -> None:
        face = _face_track(draft)
        if not isinstance(sound, Sound):
            with self._clock("clip measures"):
                measure_clip(face, ClipSound(None, None, 0.0, 0.0, sound), self.settings.clips)
            return
        start, count = frame_to_sample(draft.start_frame), frame_to_sample(draft.frames)
        samples, clips = sound.read(start, count), self.settings.clips
        with self._clock("mel"):
            mel = log_mel(samples, draft.frames)
        with self._clock("sound measures (VAD, DNSMOS, SNR)"):
            *_, speech = measure_sound(samples, 0.0, clips.dnsmos_excerpt_s, clips.dnsmos_below_snr_db)
        with self._clock("sync"):
            measure_av_sync(face.points, face.tracked, mel, speech)

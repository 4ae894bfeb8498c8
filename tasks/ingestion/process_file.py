"""Processing of one file from its bytes to its rows: decoded once, cut into clips, measured, routed, written.

This runs in an isolated process (child_process.py) and knows nothing of Prefect, Dask or the driver.
"""

import tempfile
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.model.features.mel import log_mel
from heterodub.model.features.timing import (
    SAMPLES_PER_FRAME,
    frame_to_sample,
    frame_to_second,
    seconds_to_frames,
    section_of,
)
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.members import container_of
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import WHOLE_FILM, FileOutcome, Measurements, MediaFacts
from heterodub.schemas.tables import CLIPS, EMBEDDINGS
from heterodub.tasks.faces.backend import LandmarkBackend, open_backend
from heterodub.tasks.faces.tracker import FaceTracker
from heterodub.tasks.identity.embeddings import SWITCHED_OFF, ClipEmbeddings, embed_clip, missing_recognisers
from heterodub.tasks.ingestion import rows
from heterodub.tasks.ingestion.child import announce
from heterodub.tasks.ingestion.clip_builder import ClipBuilder, Draft, FrameContext
from heterodub.tasks.ingestion.cutting import sound_until_s, work_s
from heterodub.tasks.ingestion.job import Admission, Analysis, FileJob
from heterodub.tasks.ingestion.segments import joined
from heterodub.tasks.ingestion.sound_tracks import SoundTracks, candidates
from heterodub.tasks.ingestion.turns import cut_at_turns
from heterodub.tasks.media.decode import Video, open_video, with_combs
from heterodub.tasks.media.paths import change_stamp, fingerprint, local_path, localise
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.shots import with_cuts
from heterodub.tasks.media.sniff import Container, sniff
from heterodub.tasks.media.sound import Sound, open_sound
from heterodub.tasks.media.streams import other_films, used_streams
from heterodub.tasks.media.timeline import Timeline
from heterodub.tasks.media.transitions import TransitionFinder
from heterodub.tasks.quality.av_sync import AvSync, measure_av_sync
from heterodub.tasks.quality.fingerprints import clip_picture_hash, face_motion, sound_hash
from heterodub.tasks.quality.measure import ClipSound, FaceTrack, measure_clip
from heterodub.tasks.quality.picture import is_still
from heterodub.tasks.quality.routing import route_clip
from heterodub.tasks.quality.senones import senone_scores
from heterodub.tasks.quality.sound import speech_probability
from heterodub.tasks.quality.sound_shift import correction_frames
from heterodub.tasks.stores.parts import PartWriter


@cache
def _backend(settings: Settings) -> LandmarkBackend:
    """Return the landmark model, loaded once per process."""
    return open_backend(settings)


def load(settings: Settings) -> None:
    """Load what the first file would otherwise wait for. A process that is never given a file need not have it.

    Raises: WeightsMissingError - the landmark backend has no weights.
    """
    _backend(settings)
    log_mel(np.zeros(SAMPLES_PER_FRAME, np.float32), 1)
    speech_probability(np.zeros(SAMPLES_PER_FRAME, np.float32))
    if settings.identity.embeddings:
        missing_recognisers()  # and loads those that are there


def analyse(job: FileJob, settings: Settings, policy: Policy, outgoing: Mapping[str, Path]) -> Analysis:
    """Work on one file. Announces None when it was read through, and how many seconds it lasts (0: its header does not
    say) when its header is read: only then is it known how long the rest may take.

    outgoing: files for the clips' payload, by table; see tasks/stores/parts.py.

    Raises: MediaRefusedError - the file cannot be used; the reason says why. WeightsMissingError - the run cannot go
    on. OSError - the disk is full.
    """
    origins = settings.limits.web_origins
    with tempfile.TemporaryDirectory(prefix="heterodub-") as folder, localise(job.uri, Path(folder), origins) as path:
        is_copy = local_path(container_of(job.uri)) is None
        before = change_stamp(path, is_copy)
        if fingerprint(path) != job.media_id:  # rows under another content's name would slip past a takedown, too
            raise MediaRefusedError(FileReason.CHANGED)
        announce(None)
        container = sniff(path)
        of_stream = partial(_of_stream, job, settings, policy, outgoing, path, container, Path(folder))
        facts = probe(path, container, settings.limits, job.streams[0] if job.streams else None)
        analysis = of_stream(facts)
        for number in other_films(facts) if job.admit is None and job.segment == WHOLE_FILM else ():
            if _worth(analysis) == _ADMITTED:
                break
            analysis = max(analysis, of_stream(probe(path, container, settings.limits, number)), key=_worth)
        if change_stamp(path, is_copy) != before:  # decoding opens the path several times, over minutes
            raise MediaRefusedError(FileReason.CHANGED)
    return joined([analysis]) if job.segment == WHOLE_FILM else analysis


def _of_stream(
    job: FileJob,
    settings: Settings,
    policy: Policy,
    outgoing: Mapping[str, Path],
    path: Path,
    container: Container,
    scratch: Path,
    facts: MediaFacts,
) -> Analysis:
    """Process the video stream that `facts` names."""
    announce(work_s(facts, job.segment))
    limits, timeline = settings.limits, Timeline.read(path, container, used_streams(facts))
    with open_video(path, container, facts, limits, timeline, job.segment) as video:
        longest_s, until_s = limits.max_duration_s, sound_until_s(facts, job.segment, limits)
        open_stream = partial(
            open_sound,
            path,
            container,
            facts,
            video.origin_s,
            job.offset_s,
            scratch,
            longest_s,
            timeline,
            until_s=until_s,
        )
        numbers, default_alone = candidates(path, container, facts)
        if job.streams:
            numbers = [job.streams[1]]
        with SoundTracks.open(numbers, default_alone, open_stream) as sounds:
            return _Analyst(job, settings, policy, sounds, outgoing, facts.synthetic).work(video, facts)


_NO_CLIPS, _REFUSED, _ADMITTED = range(3)


def _worth(analysis: Analysis) -> int:
    """Rank the yield of a stream: another is tried until one gives a clip that is admitted."""
    if any(pc.any(analysis.clips[stage]).as_py() for stage in ("stage1", "stage2")):
        return _ADMITTED
    return _REFUSED if analysis.clips.num_rows else _NO_CLIPS


class _Analyst:
    """State shared by the steps of one file."""

    def __init__(
        self,
        job: FileJob,
        settings: Settings,
        policy: Policy,
        sounds: SoundTracks,
        outgoing: Mapping[str, Path],
        synthetic: str | None,
    ) -> None:
        self.job, self.settings, self.policy, self.sounds, self.outgoing = job, settings, policy, sounds, outgoing
        self.backend = _backend(settings)
        self.transitions = TransitionFinder()
        self.builder = ClipBuilder(settings.clips, self.transitions)
        stated = (job.licence, job.consent, job.purpose, synthetic)
        versions = (settings.extractor, self.backend.name)
        self.origin = rows.ClipOrigin(job.media_id, job.uri, job.corpus, job.speaker, *stated, *versions)
        self.clips: list[dict[str, Any]] = []
        self.embeddings: list[dict[str, Any]] = []
        self.frames = 0
        self.faces_seen = False
        self.reached_stop = False
        self._last_mel: tuple[int, int, NDArray[np.float32]] | None = None

    def work(self, video: Video, facts: MediaFacts) -> Analysis:
        with (
            PartWriter("stage1", self.job.media_id, self.outgoing["stage1"]) as stage1,
            PartWriter("stage2", self.job.media_id, self.outgoing["stage2"]) as stage2,
        ):
            drafts = self.sounds.drafts(self._drafts(video), self._av_sync_score)
            for draft in cut_at_turns(drafts, self._mel_if_any, seconds_to_frames(self.settings.clips.min_s)):
                clip = rows.clip_id(self.origin, draft)
                face = draft.face_track()
                admission = self._decide(draft, face) if self.job.admit is None else self.job.admit.get(clip)
                if admission and admission.stage1:
                    span = draft.start_frame + admission.shift_frames, draft.frames
                    speech = self._mel(*span), admission.shift_frames, self._senones(*span)
                    stage1.add(rows.stage1_table(clip, self.origin, face, *speech))
                if admission and admission.stage2:
                    stage2.add(rows.stage2_table(clip, self.origin, face, draft, self.settings.clips.crop_quality))
        return Analysis(
            self._outcome(video),
            self.sounds.described(facts),
            pa.Table.from_pylist(self.clips, schema=CLIPS),
            frame_to_second(self.frames),
            frame_to_second(self.builder.dropped_frames),
            video.counted_notes,
            embeddings=pa.Table.from_pylist(self.embeddings, schema=EMBEDDINGS),
        )

    def _drafts(self, video: Video) -> Iterator[Draft]:
        shot, section, segment = 0, -1, self.job.segment
        tracker = FaceTracker(self.backend, self.settings.clips)
        before: NDArray[np.uint8] | None = None
        for frame, small, starts_shot in with_cuts(with_combs(video.frames()), self.settings.clips.cut_threshold):
            self.reached_stop = segment.stop is not None and frame.index >= segment.stop
            if not frame.repeated:
                self.transitions.add(frame.index, frame.source_s, small)
            grey = before if frame.repeated and before is not None else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
            if not (frame.index in segment or self.reached_stop):
                before = grey
                continue
            if section != (section := section_of(frame.index)):
                tracker, starts_shot = FaceTracker(self.backend, self.settings.clips), True
            shot = frame.index if starts_shot else shot
            self.frames += not self.reached_stop
            faces = [] if self.reached_stop else tracker.step(frame.rgb, starts_shot, frame.repeated)
            self.faces_seen |= bool(faces)
            still = not frame.repeated and is_still(before, grey)
            picture = FrameContext(frame.index, frame.rgb, shot, not frame.repeated, still, grey, frame.is_combed)
            before = grey
            yield from self.builder.add(picture, faces)
            if self.reached_stop and self.builder.is_empty:
                return
        self.transitions.end()
        yield from self.builder.end()

    def _decide(self, draft: Draft, face: FaceTrack) -> Admission:
        """Measure and route a clip, and add its row."""
        sound = self._clip_sound(draft)
        measured = measure_clip(face, sound, self.settings.clips)
        labels = self.job.labels.get(rows.clip_id(self.origin, draft))
        decision = route_clip(measured.values, self.policy, labels, self.origin.stated)
        fingerprints = {
            "picture_hash": clip_picture_hash([frame.grey for frame in draft.content]),
            "sound_hash": b"" if sound.mel is None else sound_hash(sound.mel),
            "face_motion": face_motion(face.points),
        }
        self.clips.append(rows.clip_row(self.origin, draft, measured, decision, self.policy.hash, fingerprints))
        self.embeddings.append(rows.embedding_row(self.origin, draft, self._embed(draft, sound, measured)))
        shift = correction_frames(measured.values["av_sync_score"], measured.values["av_sync_offset_frames"])
        return Admission(decision.stage1, decision.stage2, shift)

    def _embed(self, draft: Draft, sound: ClipSound, measured: Measurements) -> ClipEmbeddings:
        """Compute the embeddings of a clip that was measured, if the settings want them."""
        if not self.settings.identity.embeddings:
            return SWITCHED_OFF
        score, cause = measured.values["av_sync_score"], measured.missing.get("av_sync_score")
        return embed_clip(rows.face_views(draft), draft.frames, sound.samples, score, cause)

    def _clip_sound(self, draft: Draft) -> ClipSound:
        sound = self.sounds.chosen
        if not isinstance(sound, Sound):
            return ClipSound(None, None, 0.0, 0.0, sound)
        start, count = frame_to_sample(draft.start_frame), frame_to_sample(draft.frames)
        samples = sound.read(start, count)
        covered = sound.covers(start, count)
        mel = self._mel(draft.start_frame, draft.frames)
        return ClipSound(samples, mel, covered, sound.clipping_share(start, count), None)

    def _av_sync_score(self, draft: Draft, sound: Sound) -> float | None:
        """Score how well one of several sounds fits a clip's mouth; None where that cannot be measured."""
        samples = sound.read(frame_to_sample(draft.start_frame), frame_to_sample(draft.frames))
        face = draft.face_track()
        mel = log_mel(samples, draft.frames)
        sync = measure_av_sync(face.points, face.usable, mel, speech_probability(samples))
        return sync.score if isinstance(sync, AvSync) else None

    def _mel(self, start_frame: int, frames: int) -> NDArray[np.float32]:
        sound = self.sounds.chosen
        if not isinstance(sound, Sound):
            raise MediaRefusedError(FileReason.INTERNAL_ERROR, "a clip without sound was admitted to stage 1")
        if self._last_mel is None or self._last_mel[:2] != (start_frame, frames):
            mel = log_mel(sound.read(frame_to_sample(start_frame), frame_to_sample(frames)), frames)
            self._last_mel = start_frame, frames, mel  # most clips are stored with the very sound they were judged by
        return self._last_mel[2]

    def _mel_if_any(self, start_frame: int, frames: int) -> NDArray[np.float32] | None:
        return self._mel(start_frame, frames) if isinstance(self.sounds.chosen, Sound) else None

    def _senones(self, start_frame: int, frames: int) -> NDArray[np.float32] | None:
        sound = self.sounds.chosen
        if not self.settings.senones or not isinstance(sound, Sound):
            return None
        return senone_scores(sound.read(frame_to_sample(start_frame), frame_to_sample(frames)), frames)

    def _outcome(self, video: Video) -> FileOutcome:
        notes, truncated = self.sounds.notes, "" if self.reached_stop else video.truncated or ""
        if self.clips or self.job.admit is not None:
            return FileOutcome(FileState.MEASURED, None, truncated, notes)
        reason = FileReason.TOO_SHORT if self.faces_seen else FileReason.NO_FACE
        return FileOutcome(FileState.REJECTED, reason, truncated, notes)

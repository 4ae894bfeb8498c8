"""Cutting of a film into segments, and what the work on a segment needs of the rest of the film. Runs in the child."""

import tempfile
from pathlib import Path
from typing import Final

from heterodub.model.features.timing import frame_to_second
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.records import WHOLE_FILM, FilmSegment, MediaFacts
from heterodub.tasks.ingestion.child import announce
from heterodub.tasks.ingestion.job import Cutting
from heterodub.tasks.media.keyframes import cut_film
from heterodub.tasks.media.paths import localise
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.streams import other_films, used_streams
from heterodub.tasks.media.timeline import Timeline


def cut_into_segments(task: Cutting, settings: Settings) -> tuple[FilmSegment, ...]:
    """Cut a film into segments. Announces as `analyse` does.

    A file is left whole where more is chosen while it is decoded: among several films, or several sounds.

    Raises: MediaRefusedError - the file cannot be used; `analyse` would come to the same.
    """
    uri, limits = task.job.uri, settings.limits
    with (
        tempfile.TemporaryDirectory(prefix="heterodub-") as folder,
        localise(uri, Path(folder), limits.web_origins) as path,
    ):
        announce(None)
        container = sniff(path)
        facts = probe(path, container, limits)
        announce(facts.duration_s or 0.0)
        if other_films(facts) or facts.sound_streams > 1:
            return (WHOLE_FILM,)
        timeline = Timeline.read(path, container, used_streams(facts))
        return cut_film(path, container, facts, timeline, task.least_s, task.most)


def work_s(facts: MediaFacts, segment: FilmSegment) -> float:
    """Seconds of a film that are worked on: a segment's pictures, and the sound up to its end."""
    whole_s = facts.duration_s or 0.0
    stop_s = whole_s if segment.stop is None else min(whole_s, frame_to_second(segment.stop))
    return max(0.0, stop_s - frame_to_second(segment.first)) + _SOUND_SHARE * stop_s * (segment.first > 0)


def sound_until_s(facts: MediaFacts, segment: FilmSegment, limits: LimitSettings) -> float:
    """Seconds of sound that are read: from the film's start, since its time line and filters go through it; all of PCM
    in floating point, whose clipping is known by the highest level of the whole (see spool.ClippingMarks).
    """
    stop = segment.stop
    if stop is None or (facts.sound_codec or "").startswith("pcm_f"):
        return limits.max_duration_s
    return min(limits.max_duration_s, frame_to_second(stop) + _SOUND_AFTER_S)


_SOUND_AFTER_S: Final = 10.0
"""Sound that is read beyond a segment's end: a clip's sound may be late by less."""

_SOUND_SHARE: Final = 0.1
"""Time that sound takes to be read, over that of pictures and sound; a third of it was measured."""

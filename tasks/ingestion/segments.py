"""Joining of what was measured in the segments of a film: the rows of one pass over it."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from heterodub.model.features.timing import frame_to_second, seconds_to_frames
from heterodub.schemas.reasons import FileReason, FileState
from heterodub.schemas.records import FileOutcome
from heterodub.tasks.ingestion.job import Analysis
from heterodub.tasks.media.counted_notes import added_notes, note_lines


def joined(segments: Sequence[Analysis]) -> Analysis:
    """Join the analyses of a film's segments, in their order, into that of the film; parts stay with the segments.

    A film ends where its pictures cannot be decoded any further: the segments behind must be left out.
    """
    return Analysis(
        _outcome(segments, segments[-1].outcome.notes),
        segments[-1].facts,  # it has read most of the sound
        pa.concat_tables([segment.clips for segment in segments]),
        _total_s([segment.media_s for segment in segments]),
        _total_s([segment.dropped_s for segment in segments]),
        embeddings=pa.concat_tables([segment.embeddings for segment in segments]),
    )


def _outcome(segments: Sequence[Analysis], sound_notes: tuple[str, ...]) -> FileOutcome:
    outcomes = [segment.outcome for segment in segments]
    notes = (*note_lines(added_notes(segment.picture_notes for segment in segments)), *sound_notes)
    last = replace(outcomes[-1], notes=notes)
    if any(outcome.state is FileState.MEASURED for outcome in outcomes):
        return replace(last, state=FileState.MEASURED, reason=None)
    is_seen = any(outcome.reason is FileReason.TOO_SHORT for outcome in outcomes)
    return replace(last, reason=FileReason.TOO_SHORT if is_seen else FileReason.NO_FACE)


def _total_s(parts_s: Sequence[float]) -> float:
    return frame_to_second(sum(map(seconds_to_frames, parts_s)))

"""Choice among several sounds of a file: the one flagged for everyone, unless another belongs to the mouths."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from heterodub.model.features.timing import frame_to_sample
from heterodub.schemas.policy import OWN_SOUND_SCORE
from heterodub.schemas.reasons import MissingCause
from heterodub.schemas.records import MediaFacts, StreamFacts
from heterodub.tasks.ingestion.clip_builder import Draft
from heterodub.tasks.media.containers import NO_PICTURES, open_input
from heterodub.tasks.media.sniff import Container
from heterodub.tasks.media.sound import Sound
from heterodub.tasks.media.streams import MOST_STREAMS, SOUND, default_stands_out, sound_streams
from heterodub.tasks.quality.sound import SILENCE_DBFS, level_dbfs

PAIRS_CLEARLY: Final = 4.0
"""Score that no false pair of ordinary talk has reached (docs/policy.md)."""

_CLEARLY_MORE: Final = 1.5
"""Score by which an unflagged sound must fit better than the one before it: the same voice in two tracks, stereo and
surround, differs by less."""


@dataclass(slots=True)
class SoundEvidence:
    """Measurements of one sound on clips: sync score where they could be measured, and whether it is silent."""

    scores: list[float] = field(default_factory=list)
    is_heard: bool = False

    def add(self, score: float | None, is_heard: bool) -> None:
        """Add the measurement of one clip."""
        self.is_heard |= is_heard
        if score is not None:
            self.scores.append(score)

    @property
    def score(self) -> float | None:
        """Mean score, or None where no clip could be measured."""
        return sum(self.scores) / len(self.scores) if self.scores else None


def choose_sound(evidence: Sequence[SoundEvidence], default_alone: bool) -> int:
    """Return the place of the sound to use, of several in the order of preference.

    The first is taken if no other fits the mouths much better. `default_alone`: it alone is flagged as default; then
    another replaces it only if that fits clearly and it does not: a voice dubbed to the lips has their rhythm, and fits
    somewhat. A sound that is not silent replaces one that is.
    """
    first = next((place for place, sound in enumerate(evidence) if sound.is_heard), 0)
    scores = [sound.score if sound.score is not None else 0.0 for sound in evidence]
    best = max(range(len(evidence)), key=lambda place: (scores[place], -place))
    flagged = default_alone and first == 0
    if scores[best] < (PAIRS_CLEARLY if flagged else OWN_SOUND_SCORE) or (flagged and scores[first] >= PAIRS_CLEARLY):
        return first
    return best if scores[best] >= scores[first] + _CLEARLY_MORE else first


def is_clear(evidence: Sequence[SoundEvidence]) -> bool:
    """Return True if no further clip is needed: exactly one sound fits clearly, and the others do not fit."""
    scores = [sound.score if sound.score is not None else 0.0 for sound in evidence]
    return (
        sum(score >= PAIRS_CLEARLY for score in scores) == 1 and sum(score >= OWN_SOUND_SCORE for score in scores) == 1
    )


_MOST_HELD_BYTES: Final = 192 * 2**20
_MOST_MEASURED: Final = 4
"""Clips on which the sounds are compared, at most: so many, or as many as this memory holds."""

Score = Callable[[Draft, Sound], float | None]


class SoundTracks:
    """The sounds of a file, the preferred one first; one is chosen by the first clips, the others are then closed.

    Use as a context manager. `chosen` is the sound, or why there is none.
    """

    def __init__(self, tracks: Mapping[int, Sound], chosen: Sound | MissingCause, default_alone: bool) -> None:
        self._tracks = dict(tracks)
        self._default_alone = default_alone
        self._evidence: dict[int, SoundEvidence] = {number: SoundEvidence() for number in tracks}
        self.chosen = chosen

    @classmethod
    def open(
        cls,
        numbers: Sequence[int | None],
        default_alone: bool,
        open_stream: Callable[[int | None], Sound | MissingCause],
    ) -> Self:
        """Record every one of these streams that decodes. default_alone: the first alone is flagged as the default.

        Raises: as open_stream.
        """
        tracks: dict[int, Sound] = {}
        cause = MissingCause.NO_SOUND_STREAM
        with ExitStack() as opened:
            for number in numbers:
                sound = open_stream(number)
                if isinstance(sound, Sound) and number is not None:
                    tracks[number] = opened.enter_context(sound)
                elif isinstance(sound, MissingCause) and cause is MissingCause.NO_SOUND_STREAM:
                    cause = sound
            opened.pop_all()
        default_alone &= next(iter(tracks), None) == numbers[0]  # which may not decode
        return cls(tracks, next(iter(tracks.values()), cause), default_alone)

    def drafts(self, drafts: Iterator[Draft], score: Score) -> Iterator[Draft]:
        """Yield the same drafts; with several sounds, the first are held until it is clear which one is meant."""
        first_drafts: list[Draft] = []
        if len(self._tracks) > 1:
            for draft in drafts:
                first_drafts.append(draft)
                self._listen(draft, score)
                if self._is_enough(first_drafts):
                    break
            self._choose()
        yield from first_drafts
        yield from drafts

    def described(self, facts: MediaFacts) -> MediaFacts:
        """The facts with the chosen sound and its scores."""
        used = next((number for number, sound in self._tracks.items() if sound is self.chosen), None)
        if used is None or not isinstance(self.chosen, Sound):
            return facts
        streams = tuple(self._described(stream, used) if stream.kind == SOUND else stream for stream in facts.streams)
        (stream,) = (candidate for candidate in streams if candidate.stream == used)
        channel = self.chosen.channel
        return replace(
            facts,
            streams=streams,
            sound_stream=used,
            sound_codec=stream.codec,
            sound_rate_hz=stream.rate_hz,
            sound_channels=stream.channels,
            sound_channel=None if channel is None else channel.name,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on how the sound was processed before it was measured."""
        if not isinstance(self.chosen, Sound) or self.chosen.ahead_s is None:
            return ()
        apart = f"the sound's clock is {float(self.chosen.ahead_s):.0f} s ahead of the picture's"
        return (f"{apart}: both are taken to begin together",)

    def _described(self, stream: StreamFacts, used: int) -> StreamFacts:
        evidence = self._evidence.get(stream.stream, SoundEvidence())
        return replace(stream, av_sync_score=evidence.score, used=stream.stream == used)

    def close(self) -> None:
        """Free the disk space."""
        for sound in self._tracks.values():
            sound.close()

    def _listen(self, draft: Draft, score: Score) -> None:
        start, count = frame_to_sample(draft.start_frame), frame_to_sample(draft.frames)
        for number, sound in self._tracks.items():
            is_heard = level_dbfs(sound.read(start, count)) >= SILENCE_DBFS
            self._evidence[number].add(score(draft, sound) if is_heard else None, is_heard)

    def _is_enough(self, drafts: Sequence[Draft]) -> bool:
        evidence = list(self._evidence.values())
        if is_clear(evidence) or max(len(sound.scores) for sound in evidence) >= _MOST_MEASURED:
            return True
        return sum(frame.square.nbytes for draft in drafts for frame in draft.content) >= _MOST_HELD_BYTES

    def _choose(self) -> None:
        numbers = list(self._tracks)
        self.chosen = self._tracks[numbers[choose_sound(list(self._evidence.values()), self._default_alone)]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def candidates(path: Path, container: Container, facts: MediaFacts) -> tuple[list[int | None], bool]:
    """Numbers of the sound streams to compare, at most MOST_STREAMS, the preferred one first, and True if that alone is
    flagged as the default.
    """
    if facts.sound_streams < 2:
        return [facts.sound_stream], False
    with open_input(path, container, NO_PICTURES) as source:
        streams = sound_streams(source)
        return [stream.index for stream in streams[:MOST_STREAMS]], default_stands_out(streams)

"""The sound of a dubbing by turns: each turn's speech, and the film's own sound around it.

A turn is heard as long as it lasts; what a speech says outside of its person's turns is not. So ears and mouths agree.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from av.audio.layout import AudioLayout
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.tasks.dubbing.jobs import OF_SPEECH, readable, uri_of
from heterodub.tasks.dubbing.own_sound import OwnSound, own_sound
from heterodub.tasks.dubbing.segments import FaceLine, VoiceSource
from heterodub.tasks.dubbing.turns import Turn, is_spoken, read_turns, speech_files
from heterodub.tasks.media.paths import localise
from heterodub.tasks.media.speech import SpeechSource

_FADE_S: Final = 0.01
"""Sound fades in and out over so long within a turn: a cut wave clicks."""

_LOUD: Final = 0.01
"""Level from which on something is said: -40 dBFS."""

_NOTED_S: Final = 0.5
"""Seconds of a speech outside of all turns that are worth a note."""

_WIDER: Final = ("mono", "stereo", "5.0", "5.1")
"""Layouts of the output, by what can be laid into what."""

_INTO: Final = {
    ("mono", "stereo"): (0, 0),
    ("mono", "5.0"): (None, None, 0, None, None),
    ("mono", "5.1"): (None, None, 0, None, None, None),
    ("stereo", "5.0"): (0, 1, None, None, None),
    ("stereo", "5.1"): (0, 1, None, None, None, None),
    ("5.0", "5.1"): (0, 1, 2, None, 3, 4),
}
"""Channel of a narrower layout that each channel of a wider one is given: a voice goes to both sides, or to the
centre."""


class Speech(VoiceSource, Protocol):
    """Sound of a dubbing: `samples` for stage 1, `sound` for the output, at its rate and in its layout."""

    rate_hz: int
    layout: str

    @property
    def seconds(self) -> Fraction:
        """Length from time 0 to the last sample."""
        ...

    @property
    def channels(self) -> int:
        """Channels of the output's sound."""
        ...

    @property
    def peak(self) -> float:
        """Largest magnitude of what is said, of full scale."""
        ...

    def sound(self, start: int, count: int) -> Floats:
        """(C, count) float32 from a sample >= 0 on; zeros after the end."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class SpokenTurn:
    """A turn that is dubbed. begins_s: time of the speech's beginning on the film's clock."""

    turn: Turn
    speech: SpeechSource
    begins_s: float

    def samples(self, start: int, count: int) -> NDArray[np.float32]:
        """(count,) float32, 16 kHz mono, from a sample of the film on; zeros outside of the turn."""
        heard = self.speech.samples(start - round(self.begins_s * SAMPLE_RATE_HZ), count)
        return np.asarray(heard * self.gain(start, count, SAMPLE_RATE_HZ), np.float32)

    def gain(self, start: int, count: int, rate_hz: int) -> NDArray[np.float32]:
        """Share (count,) of the speech that is heard: 1 within the turn, 0 outside, with short slopes."""
        times = (start + np.arange(count)) / rate_hz
        inside = np.minimum(times - self.turn.start_s, self.turn.end_s - times)
        return np.clip(inside / _FADE_S, 0, 1).astype(np.float32)

    def sound(self, start: int, count: int) -> NDArray[np.float32]:
        """(C, count) float32 at the speech's rate, from a sample of the film on; before the speech begins, zeros."""
        shift = round(self.begins_s * self.speech.rate_hz)
        lead = min(max(shift - start, 0), count)
        heard = self.speech.sound(max(start - shift, 0), count - lead)
        return np.concatenate([np.zeros((len(heard), lead), np.float32), heard], axis=1)


class Dialogue:
    """The mix of all turns, and of the film's own sound around them, if there is any; see Speech.

    missing: why there is none although it is to stay.
    """

    def __init__(self, turns: Sequence[SpokenTurn], film: SpeechSource | None, missing: str = "") -> None:
        self.turns = turns
        self.missing = missing
        self._film = film
        sources = [*(turn.speech for turn in turns), *([film] if film else [])]
        self.rate_hz = sources[-1].rate_hz
        self.layout = max((source.layout for source in sources), key=_WIDER.index)

    def by_speech(self) -> Iterator[tuple[SpeechSource, list[SpokenTurn]]]:
        """Yield each speech with its turns."""
        for speech in dict.fromkeys(spoken.speech for spoken in self.turns):
            yield speech, [spoken for spoken in self.turns if spoken.speech is speech]

    @property
    def seconds(self) -> Fraction:
        """End of the last turn."""
        return Fraction(max(spoken.turn.end_s for spoken in self.turns)).limit_denominator(1_000_000)

    @property
    def channels(self) -> int:
        """Channels of the output's sound."""
        return AudioLayout(self.layout).nb_channels

    @property
    def peak(self) -> float:
        """Largest magnitude of the speeches for stage 1."""
        return max(spoken.speech.peak for spoken in self.turns)

    def samples(self, start: int, count: int) -> NDArray[np.float32]:
        """(count,) float32, 16 kHz mono: what is said, without the film's own sound."""
        said = np.zeros(count, np.float32)
        for spoken in self._heard(start, count, SAMPLE_RATE_HZ):
            said += spoken.samples(start, count)
        return said

    def sound(self, start: int, count: int) -> Floats:
        """(C, count) float32 from a sample on; over full scale it is cut off."""
        mixed = np.zeros((self.channels, count), np.float32)
        around = np.ones(count, np.float32)
        for spoken in self._heard(start, count, self.rate_hz):
            gain = spoken.gain(start, count, self.rate_hz)
            mixed += self._laid(spoken.sound(start, count), spoken.speech.layout) * gain
            around = np.minimum(around, 1 - gain)
        if self._film is not None:
            mixed += self._laid(self._film.sound(start, count), self._film.layout) * around
        return mixed.clip(-1.0, 1.0)

    def _heard(self, start: int, count: int, rate_hz: int) -> Iterator[SpokenTurn]:
        first_s, stop_s = start / rate_hz, (start + count) / rate_hz
        return (spoken for spoken in self.turns if spoken.turn.start_s < stop_s and spoken.turn.end_s > first_s)

    def _laid(self, sound_CN: Floats, layout: str) -> Floats:
        """Lay channels into those of the output."""
        if layout == self.layout:
            return sound_CN
        silence = np.zeros(sound_CN.shape[1], np.float32)
        return np.stack([silence if at is None else sound_CN[at] for at in _INTO[layout, self.layout]])


@contextmanager
def open_dialogue(job: DubJob, film: Path, limits: LimitSettings, scratch: Path) -> Iterator[Dialogue]:
    """Open the sound of a job by turns: every speech is decoded into `scratch`, and that of the `film`, if it stays.

    Raises: SourceError - the turns or a speech cannot be used. MediaRefusedError - DISK_FULL.
    """
    turns = [turn for turn in read_turns(job) if is_spoken(turn, job.speeches)]
    with ExitStack() as opened:
        stays = job.keep_sound == "outside"
        own = opened.enter_context(own_sound(film, limits, scratch)) if stays else OwnSound(None)
        rate_hz = None if own.source is None else own.source.rate_hz
        speeches: dict[str, SpeechSource] = {}
        for location in speech_files(turns, job.speeches):
            with readable(location, OF_SPEECH), localise(uri_of(location), scratch, limits.web_origins) as path:
                speech = opened.enter_context(SpeechSource.open(path, limits, scratch, rate_hz))
            speeches[location], rate_hz = speech, speech.rate_hz
        yield Dialogue([_spoken(turn, job, speeches) for turn in turns], own.source, own.missing)


def dialogue_notes(dialogue: Dialogue, lines: Sequence[FaceLine]) -> Iterator[str]:
    """Yield what a person should know of the turns: who is not seen, and which sound is not heard."""
    if dialogue.missing:
        yield f"the film's own sound is not heard around the turns: {dialogue.missing}"
    for person in dict.fromkeys(spoken.turn.person for spoken in dialogue.turns):
        own = [spoken for spoken in dialogue.turns if spoken.turn.person == person]
        unseen = [
            str(spoken.turn.row)
            for spoken, line in zip(dialogue.turns, lines, strict=True)
            if spoken.turn.person == person and not line.tracks
        ]
        if unseen:
            yield f"{person} is heard and not seen in {len(unseen)} of {len(own)} turns (rows {', '.join(unseen[:20])})"
    for speech, own in dialogue.by_speech():
        if (left_s := _unheard_s(speech, own)) >= _NOTED_S:
            people = " and ".join(dict.fromkeys(spoken.turn.person for spoken in own))
            yield f"{left_s:.1f} s of the speech of {people} lie outside of the turns and are not heard"


def _unheard_s(speech: SpeechSource, turns: Sequence[SpokenTurn]) -> float:
    """Seconds of a speech, in steps of a tenth, that are loud and lie in no turn."""
    step = SAMPLE_RATE_HZ // 10
    unheard = 0
    for start in range(0, int(speech.seconds * SAMPLE_RATE_HZ), step):
        middle_s = (start + step / 2) / SAMPLE_RATE_HZ
        if not any(spoken.turn.start_s <= middle_s + spoken.begins_s < spoken.turn.end_s for spoken in turns):
            unheard += float(np.abs(speech.samples(start, step)).max(initial=0.0)) > _LOUD
    return unheard / 10


def _spoken(turn: Turn, job: DubJob, speeches: dict[str, SpeechSource]) -> SpokenTurn:
    if turn.speech is not None:
        return SpokenTurn(turn, speeches[turn.speech], turn.start_s)
    return SpokenTurn(turn, speeches[job.speeches[turn.person]], 0.0)

"""Films and their sound: from the raw file at the right moment, else from the mel, and said so."""

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from heterodub.model.features.mel import log_mel
from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.visualization.charts import OTHER_RGB, PREDICTED_RGB, TRUE_RGB
from heterodub.tasks.visualization.film import Side, compared_film, film_frames, landmark_film
from heterodub.tasks.visualization.sound import ClipPlace, PlayableSound, clip_sound, from_mel
from tests.tasks.media.media_files import SoundTrack, regular, tone, write_media
from tests.tasks.visualization.test_charts import talking, where

FRAMES = 50
RATE = 16_000


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """Four seconds of pictures; the tone rises by 100 Hz every second, from 400 Hz."""
    path = tmp_path_factory.mktemp("raw") / "clip.mkv"
    notes = [tone(1.0, RATE, hertz=400.0 + 100 * second).samples for second in range(4)]
    write_media(path, regular(100), SoundTrack(np.concatenate(notes, axis=1), RATE))
    return path


def place_in(raw: Path, **changes) -> ClipPlace:
    return replace(
        ClipPlace(str(raw), fingerprint(raw), start_frame=25, frames=FRAMES, sound_shift_frames=0), **changes
    )


def mel_of(frames: int = FRAMES) -> np.ndarray:
    time = np.arange(frames * 640) / RATE
    return log_mel((0.3 * np.sin(2 * np.pi * 700 * time)).astype(np.float32), frames)


def pitch(samples: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * RATE / len(samples)


@pytest.fixture(scope="module")
def decoder():
    with closing(Decoder(LimitSettings())) as opened:
        yield opened


@pytest.fixture(scope="module")
def playable(decoder):
    return lambda place: clip_sound(place, mel_of(place.frames), LimitSettings(), decoder)


@pytest.mark.parametrize(
    ("changes", "hertz"),
    [
        ({}, (500, 600)),
        ({"sound_shift_frames": 25}, (600, 700)),
        ({"sound_shift_frames": -25}, (400, 500)),
        ({"offset_s": 1.0}, (600, 700)),  # the sound is known to be a second late
        ({"start_frame": 0}, (400, 500)),
    ],
)
def test_film_has_the_sound_of_the_clip(raw, playable, changes, hertz):
    sound = playable(place_in(raw, **changes))
    assert sound.rebuilt_since is None
    assert sound.samples.shape == (FRAMES * 640,)
    assert [pitch(sound.samples[at : at + RATE // 2]) for at in (4000, 20_000)] == [
        pytest.approx(one, abs=3) for one in hertz
    ]


def test_missing_changed_or_silent_file_falls_back_to_the_mel(raw, playable, tmp_path):
    mute = tmp_path / "mute.mp4"
    write_media(mute, regular(100))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    places = {
        "vanished": place_in(raw, uri=str(tmp_path / "gone.mkv")),
        "the file was changed": place_in(raw, media_id="0" * 64),
        "no_sound_stream": place_in(mute),
        "no_decodable_frame": place_in(broken),
    }
    for why, place in places.items():
        sound = playable(place)
        assert sound.rebuilt_since == why
        assert sound.samples.shape == (FRAMES * 640,)
        assert pitch(sound.samples) == pytest.approx(700, abs=30)


def test_sound_from_a_mel_has_about_that_mel():
    mel = mel_of()
    again = log_mel(from_mel(mel), FRAMES)
    loud = mel > mel.max() - 4
    assert np.abs(again - mel)[4:-4][loud[4:-4]].mean() < 0.3


def test_mel_of_silence_is_silence_and_not_an_error():
    assert np.abs(from_mel(np.full((40, 80), np.log(1e-5), np.float32))).max() < 0.01


def test_mel_of_another_length_is_refused(raw, decoder):
    with pytest.raises(ValueError, match="200 x 80"):
        clip_sound(place_in(raw), mel_of(10), LimitSettings(), decoder)


def sides(*points: np.ndarray) -> list[Side]:
    return [
        Side(f"side {rgb}", one, rgb) for one, rgb in zip(points, (PREDICTED_RGB, TRUE_RGB, OTHER_RGB), strict=False)
    ]


def test_three_panels_have_a_bounded_size(tmp_path):
    samples, path = np.zeros(FRAMES * 640, np.float32), tmp_path / "film.mp4"
    noise = np.random.default_rng(0).normal(0, 20, talking(0).shape)  # what no codec makes small
    compared_film(path, sides(talking(0) + noise, talking(2), talking(10)), PlayableSound(samples, None), panel_px=280)
    with av.open(str(path)) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (3 * 280, 280 + 64)
    assert path.stat().st_size < 2 * 150_000  # two seconds
    with pytest.raises(ValueError, match="not of one shape"):
        compared_film(path, sides(talking(0), talking(2)[1:]), PlayableSound(samples, None))


def test_film_has_every_frame_and_its_sound(tmp_path):
    path = tmp_path / "film.mp4"
    samples = tone(2.0, RATE, hertz=500.0).samples[0].astype(np.float32)
    landmark_film(path, talking(2), talking(10), PlayableSound(samples, None), "step 500")
    with av.open(str(path)) as film:
        assert [stream.codec_context.name for stream in film.streams] == ["h264", "aac"]
        assert film.streams.video[0].average_rate == Fraction(25)
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    with av.open(str(path)) as film:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
    assert len(pictures) == FRAMES
    assert len(sound) == pytest.approx(len(samples), abs=2048)
    assert pitch(sound[4000:20_000]) == pytest.approx(500, abs=2)
    assert list(tmp_path.iterdir()) == [path]


def test_predicted_face_is_left_and_moves():
    frames = list(film_frames(sides(talking(0), talking(10)), None, ""))
    half = frames[0].shape[1] // 2
    left, right = (
        [where(one[:, part], colour) for one in frames]
        for part, colour in ((slice(0, half), PREDICTED_RGB), (slice(half, None), TRUE_RGB))
    )
    assert not any(where(one[:, half:], PREDICTED_RGB).any() for one in frames)
    apart = [(np.logical_xor(one, other)[40:390]).sum() for one, other in zip(left, right, strict=True)]
    assert apart[0] < 0.2 * apart[12]  # closed in both; then the true mouth is open
    assert apart[25] < 0.2 * apart[37]


def test_film_with_resynthesised_sound_is_marked():
    result, silent = (next(film_frames(sides(talking(0), talking(0)), why, "")) for why in ("vanished", None))
    assert (result[-28:] < 128).sum() > 1.3 * (silent[-28:] < 128).sum()


def test_old_film_stays_when_the_new_one_fails(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    broken = talking(0)
    broken[10] = np.inf
    with pytest.raises(ValueError, match="finite"):
        landmark_film(path, broken, talking(0), PlayableSound(np.zeros(FRAMES * 640, np.float32), None))
    with pytest.raises(ValueError, match="do not go together"):
        landmark_film(path, talking(0), talking(0), PlayableSound(np.zeros(7, np.float32), None))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]

"""Sound measures on sounds whose numbers are known: tones, noise, silence, synthetic speech alone and under noise."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.quality.sound import (
    SILENCE_DBFS,
    VAD_CHUNK,
    bandwidth_hz,
    busiest_excerpt,
    dnsmos,
    in_doubt,
    level_dbfs,
    measure_sound,
    snr_db,
    speech_probability,
)

RATE = 16_000
MOS = ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl")


def noise(seconds: float, dbfs: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    return (samples / np.sqrt(np.mean(samples**2)) * 10 ** (dbfs / 20)).astype(np.float32)


def sine(hertz: float, level: float, seconds: float = 2.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def at_snr(speech: np.ndarray, probabilities: np.ndarray, snr: float) -> np.ndarray:
    """Speech under white noise that lies `snr` dB below the mean power of its speech chunks."""
    chunks = np.square(speech[: probabilities.size * VAD_CHUNK].astype(np.float64)).reshape(-1, VAD_CHUNK).mean(axis=1)
    power_db = 10 * np.log10(chunks[probabilities >= 0.5].mean())
    return speech + noise(speech.size / RATE + 1, power_db - snr)[: speech.size]


@pytest.mark.parametrize(("level", "dbfs"), [(1.0, -3.01), (0.5, -9.03), (0.1, -23.01), (0.001, -63.01)])
def test_level_of_a_sine_is_three_db_under_its_peak(level, dbfs):
    assert level_dbfs(sine(440, level)) == pytest.approx(dbfs, abs=0.02)


@pytest.mark.parametrize("below", ["offset", "rumble"])
def test_rumble_does_not_lower_the_snr(speeches, below):
    speech = speeches[0] + noise(10, -75)[: speeches[0].size]
    under = np.full_like(speech, 0.02) if below == "offset" else sine(12, 0.02, 10)[: speech.size]
    values, _, _ = measure_sound(speech, 0.0, 0.0)
    spoilt, _, _ = measure_sound(speech + under, 0.0, 0.0)
    assert spoilt["snr_db"] == pytest.approx(values["snr_db"], abs=1.0)
    assert spoilt["level_dbfs"] == pytest.approx(values["level_dbfs"], abs=0.5)
    silent, missing, _ = measure_sound(np.full(RATE, 0.02, np.float32), 0.0, 0.0)
    assert missing["snr_db"] is MissingCause.NO_SPEECH or silent["level_dbfs"] < SILENCE_DBFS


@pytest.mark.parametrize("dbfs", [-10, -30, -60, -90])
def test_noise_level_matches_the_generated_level(dbfs):
    assert level_dbfs(noise(2, dbfs)) == pytest.approx(dbfs, abs=0.01)


def test_digital_silence_has_no_level_and_is_stored_as_the_lowest():
    assert level_dbfs(np.zeros(RATE, np.float32)) == -np.inf
    assert level_dbfs(np.zeros(0, np.float32)) == -np.inf
    values, _, _ = measure_sound(np.zeros(RATE, np.float32), 0.0, 9.01)
    assert values["level_dbfs"] == -120.0


def test_vad_detects_speech_only(speeches):
    for speech in speeches:
        assert (speech_probability(speech) >= 0.5).mean() > 0.5
    for other in (noise(5, -30), sine(300, 0.3, 5), np.zeros(5 * RATE, np.float32)):
        assert (speech_probability(other) >= 0.5).mean() < 0.05


def test_pauses_are_not_speech(speeches):
    padded = np.concatenate([np.zeros(3 * RATE, np.float32), speeches[0], np.zeros(3 * RATE, np.float32)])
    probabilities = speech_probability(padded)
    said = slice(3 * RATE // VAD_CHUNK, (padded.size - 3 * RATE) // VAD_CHUNK)
    assert (probabilities[: said.start] >= 0.5).mean() < 0.05
    assert (probabilities[said] >= 0.5).mean() > 0.5
    assert (probabilities[said.stop + 6 :] >= 0.5).mean() < 0.05


@pytest.mark.parametrize("count", [0, 1, VAD_CHUNK - 1, VAD_CHUNK, 10 * VAD_CHUNK + 3])
def test_one_probability_for_every_whole_chunk(count):
    assert speech_probability(noise(1, -20)[:count]).shape == (count // VAD_CHUNK,)


def test_snr_tracks_the_true_ratio(speeches):
    for speech in speeches:
        probabilities = speech_probability(speech)
        truths = np.arange(0, 31, 5)
        result = [snr_db(at_snr(speech, probabilities, truth), probabilities) for truth in truths]
        assert (np.diff(result) > 2).all()
        # the noise counts on both sides of the fraction: at 0 dB the speech chunks hold twice the power, 3 dB
        expected = 10 * np.log10(1 + 10 ** (truths / 10))
        assert np.abs(result - expected).max() < 1.5


def test_snr_does_not_depend_on_loudness(speeches):
    probabilities = speech_probability(speeches[0])
    mixed = at_snr(speeches[0], probabilities, 15)
    assert snr_db(mixed * 0.2, probabilities) == pytest.approx(snr_db(mixed, probabilities), abs=0.01)


@pytest.mark.parametrize("cutoff", [1000, 2000, 3400, 6000])
def test_bandwidth_of_low_passed_noise(cutoff):
    passed = sosfilt(butter(20, cutoff, fs=RATE, output="sos"), noise(4, -20)).astype(np.float32)
    # the filter needs some of the spectrum to fall by 50 dB
    assert cutoff * 0.98 < bandwidth_hz(passed) < cutoff * 1.45


def test_bandwidth_of_white_noise_is_full():
    assert bandwidth_hz(noise(4, -20)) == pytest.approx(8000, abs=32)


def test_few_words_in_digital_silence_are_measured(speeches):
    """Less than a tenth of the clip sounds, so that the loud moments of most bands are zero."""
    clip = np.zeros(10 * RATE, np.float32)
    words = speeches[0][RATE // 2 : RATE // 2 + int(0.6 * RATE)]
    clip[5 * RATE : 5 * RATE + words.size] = words
    assert level_dbfs(clip) > SILENCE_DBFS
    values, missing, _ = measure_sound(clip, 0.0, 0.0)
    assert 2000 < values["bandwidth_hz"] <= 8000
    assert "bandwidth_hz" not in missing


def test_click_at_the_very_end_is_measured():
    clip = np.zeros(25 * 640, np.float32)
    clip[-10:] = 0.9
    values, _, _ = measure_sound(clip, 0.0, 0.0)
    assert 0 < values["bandwidth_hz"] <= 8000


def test_dnsmos_prefers_clean_speech(speeches):
    speech = speeches[0]
    probabilities = speech_probability(speech)
    clean, noisy = dnsmos(speech), dnsmos(at_snr(speech, probabilities, 5))
    assert set(clean) == set(MOS)
    assert clean["dnsmos_bak"] > noisy["dnsmos_bak"] + 0.5
    assert clean["dnsmos_ovrl"] > noisy["dnsmos_ovrl"]
    assert all(1 <= score <= 5 for score in (*clean.values(), *noisy.values()))


def test_dnsmos_equals_the_reference_package(speeches, monkeypatch):
    from speechmos import dnsmos as published

    # for its fourth number, which is not ours, librosa would compile for half a minute in a new environment
    monkeypatch.setattr(published.DNSMOS, "audio_melspec", lambda self, audio: np.zeros((900, 120), np.float32))
    peak = speeches[0][: 9 * RATE]
    ours = dnsmos(np.resize(peak, 144_160))
    theirs = published.run(np.resize(peak, 144_160), sr=RATE)
    assert ours["dnsmos_sig"] == pytest.approx(theirs["sig_mos"], abs=0.02)
    assert ours["dnsmos_bak"] == pytest.approx(theirs["bak_mos"], abs=0.02)
    assert ours["dnsmos_ovrl"] == pytest.approx(theirs["ovrl_mos"], abs=0.02)


def test_excerpt_holds_the_speech(speeches):
    words = speeches[0][: 3 * RATE]
    clip = np.concatenate([noise(5, -70), words, noise(5, -70)])
    probabilities = speech_probability(clip)
    excerpt = busiest_excerpt(clip, probabilities, 3.0)
    assert abs(excerpt.size - 3 * RATE) <= VAD_CHUNK
    assert np.square(excerpt).sum() > 0.9 * np.square(clip).sum()
    assert busiest_excerpt(words, speech_probability(words), 9.01) is words


@pytest.mark.parametrize("seconds", [0.001, 0.031, 0.04])
def test_shortest_excerpt_is_one_chunk(speeches, seconds):
    probabilities = speech_probability(speeches[0])
    assert busiest_excerpt(speeches[0], probabilities, seconds).size == VAD_CHUNK


def test_causes_of_missing_values(speeches):
    quiet, _, heard = measure_sound(noise(2, SILENCE_DBFS - 5), 0.0, 9.01)
    assert not heard.any()
    assert quiet["speech_s"] == 0.0

    _, silent, _ = measure_sound(np.zeros(2 * RATE, np.float32), 0.0, 9.01)
    assert silent == dict.fromkeys(("snr_db", "bandwidth_hz", *MOS), MissingCause.SILENT)

    values, wordless, _ = measure_sound(noise(2, -30), 0.25, 9.01)
    assert wordless == dict.fromkeys(("snr_db", *MOS), MissingCause.NO_SPEECH)
    assert values["clipping_share"] == 0.25
    assert set(values) & set(wordless) == set()

    values, off, _ = measure_sound(speeches[0], 0.0, 0.0)
    assert off == dict.fromkeys(MOS, MissingCause.SWITCHED_OFF)
    assert values["snr_db"] > 40
    assert values["speech_s"] == pytest.approx(values["speech_share"] * speeches[0].size / RATE, rel=0.01)

    _, nothing, _ = measure_sound(speeches[0], 0.0, 9.01)
    assert nothing == {}


def test_dnsmos_runs_only_where_cheap_measures_are_undecided(speeches):
    clear = speeches[0]
    probabilities = speech_probability(clear)
    snr = snr_db(clear, probabilities)
    assert in_doubt(clear, probabilities, snr, snr + 1)
    assert not in_doubt(clear, probabilities, snr, snr - 1)
    _, missing, _ = measure_sound(clear, 0.0, 9.01, snr - 1)
    assert missing["dnsmos_bak"] is MissingCause.NOT_IN_DOUBT
    # something as loud as the speech that is not speech: doubt, however quiet the pauses are
    humming = clear.copy()
    humming[-clear.size // 3 :] = 0.2 * np.sin(2 * np.pi * 100 * np.arange(clear.size // 3) / RATE)
    assert in_doubt(humming, speech_probability(humming), snr, snr - 1)

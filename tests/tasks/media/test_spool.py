import errno
import tempfile
from pathlib import Path

import numpy as np
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.sound import open_sound
from heterodub.tasks.media.spool import LEAD_SAMPLES, ClippingMarks, Spool
from tests.tasks.media.media_files import SoundTrack, regular


def _ramp(count, first=1):
    return np.arange(first, first + count, dtype=np.float32)


@pytest.fixture
def spool(tmp_path):
    with Spool(tmp_path, 10_000) as made:
        yield made


def test_reads_what_was_written_and_zeros_elsewhere(spool):
    spool.write(100, _ramp(50))
    out = spool.read(90, 80)
    assert out.dtype == np.float32
    assert (out[:10] == 0).all()
    np.testing.assert_array_equal(out[10:60], _ramp(50))
    assert (out[60:] == 0).all()
    assert (spool.read(5_000, 10) == 0).all()
    assert (spool.read(-50_000, 10) == 0).all()


def test_holes_are_silence_and_not_covered(spool):
    spool.write(0, _ramp(10))
    spool.write(20, _ramp(10))
    assert spool.covered(0, 30) == 20
    assert spool.covered(5, 20) == 10
    assert spool.covered(10, 10) == 0
    assert spool.covered(-5, 100) == 20
    assert (spool.read(10, 10) == 0).all()


def test_adjacent_writes_are_one_span(spool):
    for start in range(0, 100, 10):
        spool.write(start, _ramp(10))
    assert spool.covered(0, 100) == 100
    assert len(spool._starts) == 1


def test_overlaps_are_dropped(spool):
    spool.write(0, _ramp(10))
    spool.write(5, _ramp(10, 100))
    np.testing.assert_array_equal(spool.read(0, 15), [*_ramp(10), *_ramp(5, 105)])


def test_limit_and_lead(spool):
    assert spool.write(-LEAD_SAMPLES - 5, _ramp(10))
    assert spool.covered(-LEAD_SAMPLES - 100, 200) == 5
    np.testing.assert_array_equal(spool.read(-LEAD_SAMPLES, 5), _ramp(5, 6))
    assert not spool.write(9_995, _ramp(10))
    assert spool.end == 10_000
    assert not spool.write(10**9, _ramp(10))
    assert spool.end == 10_000


def test_clipped_pieces(spool):
    spool.mark_clipped(np.array([2, 2, 5, -1, 10**9]))
    assert spool.clipped(0, 9) == 2
    assert spool.clipped(2, 2) == 1
    assert spool.clipped(3, 4) == 0


def test_disk_space_is_freed(tmp_path):
    with Spool(tmp_path, 1000) as spool:
        spool.write(0, _ramp(10))
        assert list(tmp_path.iterdir()) == []  # nameless: nothing is left behind, even by a crash
    with pytest.raises(ValueError, match="closed"):
        spool.read(0, 1)


def test_full_disk(tmp_path):
    spool = Spool(tmp_path, 1000)
    full = open("/dev/full", "wb")  # noqa: SIM115
    spool._file.close()
    spool._file = full
    with pytest.raises(MediaRefusedError) as caught:
        spool.write(0, _ramp(10))
    assert caught.value.reason is FileReason.DISK_FULL
    assert caught.value.__cause__.errno == errno.ENOSPC


RATE = 48_000
SECONDS = 2


def _voice(level):
    """Two tones that beat, as a voice's pitch and its double do, with a little noise."""
    at = np.arange(SECONDS * RATE) / RATE
    line = np.sin(2 * np.pi * 127 * at) + 0.6 * np.sin(2 * np.pi * 251.3 * at + 1)
    line += 1e-3 * np.random.default_rng(0).standard_normal(len(at))
    return (level * line / np.abs(line).max()).astype(np.float32)


def _share(clip, tmp_path, line, codec):
    path = clip(".mkv", regular(50), SoundTrack(line[None], RATE, "mono", codec))
    container = sniff(path)
    with open_sound(path, container, probe(path, container, LimitSettings()), 0.0, 0.0, tmp_path) as sound:
        return sound.clipping_share(0, SECONDS * 16_000)


@pytest.mark.parametrize("level", [0.3, 0.999, 1.05, 1.6])
def test_floats_over_full_scale_are_not_clipped(clip, tmp_path, level):
    assert _share(clip, tmp_path, _voice(level), "pcm_f32le") == 0


@pytest.mark.parametrize("cut", [0.2, 0.8, 1.0, 1.3])
def test_floats_that_were_cut_are_clipped_wherever_it_was(clip, tmp_path, cut):
    line = np.clip(_voice(1.6 * cut), -cut, cut)
    assert _share(clip, tmp_path, line, "pcm_f32le") > 0.5


def test_only_the_pieces_with_flat_tops_count(clip, tmp_path):
    line = _voice(0.5)
    line[RATE:] = np.clip(2 * line[RATE:], -0.8, 0.8)
    path = clip(".mkv", regular(50), SoundTrack(line[None], RATE, "mono", "pcm_f32le"))
    container = sniff(path)
    with open_sound(path, container, probe(path, container, LimitSettings()), 0.0, 0.0, tmp_path) as sound:
        assert sound.clipping_share(0, 15_000) == 0
        assert sound.clipping_share(16_000, 16_000) > 0.5


@pytest.mark.parametrize("hertz", [50.0, 440.0])
def test_tone_is_not_clipped(clip, tmp_path, hertz):
    line = 0.8 * np.sin(2 * np.pi * hertz * np.arange(SECONDS * RATE) / RATE)
    assert _share(clip, tmp_path, line.astype(np.float32), "pcm_f32le") == 0


def test_whole_numbers_are_clipped_at_full_scale(clip, tmp_path):
    assert _share(clip, tmp_path, np.clip(_voice(1.6), -1, 1), "pcm_s16le") > 0.5
    assert _share(clip, tmp_path, _voice(0.9), "pcm_s16le") == 0


def _flat(line, cut):
    """Numbers of the samples that end a flat peak, of a line that comes in two blocks; a sample lasts a piece."""
    with Spool(Path(tempfile.gettempdir()), 10**6) as spool:
        marks = ClippingMarks(spool, is_float=False)
        for block, at in ((line[:, :cut], 0), (line[:, cut:], cut)):
            marks.add(block, (at + 0.5) / 25, 25)
        return [number for number in range(line.shape[1]) if spool.clipped(number, number)]


def test_three_in_a_row_are_a_flat_peak_two_are_not():
    line = np.zeros((1, 20), np.float32)
    line[0, 2:4] = 1
    line[0, 8:11] = 0.9995
    line[0, 15:18] = [1, -1, 1]
    assert _flat(line, 12) == [10]


def test_flat_peaks_over_the_border_of_blocks_and_in_any_channel():
    line = np.zeros((2, 12), np.float32)
    line[1, 5:8] = -1
    assert [_flat(line, cut) for cut in range(1, 12)] == [[7]] * 11

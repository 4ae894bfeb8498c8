import errno

import numpy as np
import pytest

from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason
from tasks.media.spool import LEAD_SAMPLES, Spool


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

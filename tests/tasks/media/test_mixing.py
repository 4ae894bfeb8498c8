import av
import numpy as np
import pytest

from tasks.media.mixing import FlatPeaks, mix_weights, to_float

LINE = np.array([[0.0, 0.5, -0.5, 1.0, -1.0]], np.float32)


@pytest.mark.parametrize(
    ("form", "dtype", "scale"),
    [("s16p", np.int16, 32767), ("s32p", np.int32, 2**31 - 129), ("fltp", np.float32, 1), ("dblp", np.float64, 1)],
)
def test_formats_become_float_of_full_scale_one(form, dtype, scale):
    frame = av.AudioFrame.from_ndarray((LINE.astype(np.float64) * scale).astype(dtype), form, "mono")
    np.testing.assert_allclose(to_float(frame), LINE, atol=1e-4)
    assert to_float(frame).dtype == np.float32


def test_unsigned_bytes_reach_full_scale_on_both_sides():
    frame = av.AudioFrame.from_ndarray(np.array([[128, 255, 1, 0]], np.uint8), "u8p", "mono")
    np.testing.assert_allclose(to_float(frame), [[0, 1, -1, -128 / 127]], atol=1e-6)


def test_packed_channels_are_taken_apart():
    frame = av.AudioFrame.from_ndarray(np.array([[1, -1, 2, -2, 3, -3]], np.int16), "s16", "stereo")
    np.testing.assert_allclose(to_float(frame) * 32768, [[1, 2, 3], [-1, -2, -3]])


@pytest.mark.parametrize("channels", [7, 8, 9, 24])
def test_many_planes(channels):
    lines = np.arange(1, channels + 1, dtype=np.float32)[:, None].repeat(50, 1) / 64
    packed = av.AudioFrame.from_ndarray(np.ascontiguousarray(lines.T).reshape(1, -1), "flt", f"{channels}C")
    packed.sample_rate = 48_000
    planar = av.AudioResampler("fltp", packed.layout, 48_000).resample(packed)[0]
    assert planar.format.is_planar
    np.testing.assert_allclose(to_float(planar), lines)


def test_nan_is_silence_and_huge_samples_are_clamped():
    frame = av.AudioFrame.from_ndarray(np.array([[np.nan, np.inf, -1e30, 0.5]], np.float32), "fltp", "mono")
    np.testing.assert_array_equal(to_float(frame), [[0, 8, -8, 0.5]])


def test_weights():
    np.testing.assert_allclose(mix_weights(("FC",)), [1])
    np.testing.assert_allclose(mix_weights(("FL", "FR")), [0.5, 0.5])
    surround = mix_weights(("FL", "FR", "FC", "LFE", "BL", "BR"))
    assert surround.sum() == pytest.approx(1)
    assert surround[3] == 0
    assert surround[2] == surround.max()
    np.testing.assert_allclose(mix_weights(("UNSD",) * 24), [1 / 24] * 24, rtol=1e-6)
    np.testing.assert_allclose(mix_weights(("LFE",)), [1])


def test_three_in_a_row_are_a_flat_peak_two_are_not():
    line = np.zeros((1, 20), np.float32)
    line[0, 2:4] = 1
    line[0, 8:11] = 0.9995
    line[0, 15:18] = [1, -1, 1]
    assert FlatPeaks().find(line).tolist() == [10]


def test_flat_peaks_over_the_border_of_blocks_and_in_any_channel():
    line = np.zeros((2, 12), np.float32)
    line[1, 5:8] = -1
    for cut in range(1, 11):
        peaks = FlatPeaks()
        result = peaks.find(line[:, :cut]).tolist() + [cut + at for at in peaks.find(line[:, cut:])]
        assert result == [7]

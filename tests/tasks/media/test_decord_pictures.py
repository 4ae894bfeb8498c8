import numpy as np
import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.ingestion.decoder_process import open_files
from heterodub.tasks.media import decode
from heterodub.tasks.media.decode import open_video
from heterodub.tasks.media.decord_pictures import MAX_DECODED_BYTES
from heterodub.tasks.media.paths import granted
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import sniff
from tests.tasks.media.media_files import number_in, regular, tone

LIMITS = LimitSettings(trust_footage=True)


def _decode(path, limits=LIMITS):
    container = sniff(path)
    with open_video(path, container, probe(path, container, limits), limits) as video:
        return video, list(video.frames())


def _both(path, monkeypatch):
    by_decord = _decode(path)
    with monkeypatch.context() as patch:
        patch.setattr(decode, "can_use_decord", lambda *_: False)
        by_pyav = _decode(path)
    assert by_decord[0].decoder == "decord"
    assert by_pyav[0].decoder == "pyav"
    return by_decord, by_pyav


CASES = {
    "mp4": (".mp4", {}),
    "mov": (".mov", {}),
    "mkv": (".mkv", {}),
    "webm vp8": (".webm", {}),
    "webm vp9": (".vp9.webm", {}),
    "avi": (".avi", {}),
    "mp4 with reordering": (".mp4", {"options": {"bf": "3", "crf": "20"}}),
    "mkv with reordering": (".mkv", {"options": {"bf": "3", "crf": "20"}}),
    "mpeg-4 in mp4": (".mp4", {"codec": "mpeg4"}),
    "odd size": (".mp4", {"size": (162, 98)}),
}
CLOCKS = {
    "25": regular(30),
    "30": regular(36, 30),
    "late": regular(30, 25, 440),
    "uneven": [0, 40, 60, 200, 210, 700, 740],
}


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("case", CASES)
def test_same_frames_as_pyav(clip, monkeypatch, case, clock):
    suffix, more = CASES[case]
    if clock != "25" and (suffix == ".avi" or more.get("codec") == "mpeg4"):
        pytest.skip("the encoder's clock ticks at 25 Hz")
    (one, ours), (other, theirs) = _both(clip(suffix, CLOCKS[clock], tone(1), **more), monkeypatch)
    assert one.origin_s == other.origin_s
    assert one.source_frames == other.source_frames
    for mine, reference in zip(ours, theirs, strict=True):
        assert (mine.index, mine.source_index, mine.source_s) == (
            reference.index,
            reference.source_index,
            reference.source_s,
        )
        assert np.abs(mine.rgb.astype(int) - reference.rgb).max() <= 2


@pytest.mark.parametrize("colours", ["bt709", "smpte170m", "bt470bg"])
def test_same_colours_as_pyav(clip, monkeypatch, colours):
    path = clip(".mp4", regular(5), options={"crf": "10", "colorspace": colours})
    (_, ours), (_, theirs) = _both(path, monkeypatch)
    for mine, reference in zip(ours, theirs, strict=True):
        assert np.abs(mine.rgb.astype(int) - reference.rgb).max() <= 2


def test_untrusted_footage_is_not_decoded_by_decord(clip):
    """Its FFmpeg is of 2020."""
    path = clip(".mp4")
    assert _decode(path)[0].decoder == "decord"
    assert _decode(path, LimitSettings())[0].decoder == "pyav"


def test_file_that_was_handed_over_is_decoded_without_its_path(clip):
    path = clip(".mp4")
    files = open_files([str(path)])  # closed by granted
    with granted(files):
        moved = path.rename(path.with_name("elsewhere.mp4"))
        path.write_bytes(b"another file")
        by_decord, by_pyav = _decode(path), _decode(path, LimitSettings())
    moved.replace(path)
    assert (by_decord[0].decoder, by_pyav[0].decoder) == ("decord", "pyav")
    assert len(by_decord[1]) == len(by_pyav[1]) == 25


def test_long_and_large_files_are_not_decoded_by_decord(clip):
    frames = MAX_DECODED_BYTES // (640 * 480 * 3) + 2
    large = clip(".mp4", regular(frames), size=(640, 480), pictures=[np.zeros((480, 640, 3), np.uint8)] * frames)
    assert _decode(large)[0].decoder == "pyav"


@pytest.mark.parametrize(
    ("suffix", "more"),
    [
        (".mpg", {}),
        (".gif", {}),
        (".mp4", {"rotation": (90.0, False)}),
        (".mkv", {"pix_fmt": "yuv444p"}),
        (".mp4", {"pix_fmt": "yuvj420p"}),
    ],
)
def test_unsupported_footage_is_not_decoded_by_decord(clip, suffix, more):
    assert _decode(clip(suffix, regular(10), **more))[0].decoder == "pyav"


def test_names_decord_cannot_take(clip, tmp_path):
    path = clip(".mp4").rename(tmp_path / "\udcff\udcfe.mp4")
    video, frames = _decode(path)
    assert (video.decoder, len(frames)) == ("pyav", 25)


def test_file_that_could_also_be_read_as_a_playlist(clip, tmp_path):
    path = clip(".mkv")
    raw = path.read_bytes()
    at = raw.index(b"Lavf")
    path.write_bytes(raw[:at] + b"<MPD" + raw[at + 4 :])
    assert _decode(path)[0].decoder == "pyav"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_damage_never_moves_a_picture_to_another_time(clip, suffix):
    path = clip(
        suffix, regular(40), options={"g": "8", "preset": "ultrafast", "crf": "18"} if suffix != ".avi" else None
    )
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    checked = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        broken = whole.copy()
        at = int(rng.integers(len(broken) // 4, len(broken) * 3 // 4))
        broken[at : at + 40] = 0
        path.write_bytes(broken.tobytes())
        _, frames = _decode(path)
        wrong = [frame for frame in frames if number_in(frame.rgb) != round(frame.source_s * 25)]
        # a torn group of eight pictures may read anything; the rest must stand where it belongs
        assert suffix == ".avi" or len(wrong) <= 17
        checked += len(frames) - len(wrong)
    assert checked > 100

"""Good dubs of difficult sources are accepted: HDR, combed pictures, variable rate, pictures without a face, music."""

import numpy as np
import pytest

from heterodub.schemas.config.dubbing import DubJob
from heterodub.tasks.media.colour import PQ, ColourTags, tone_mapping
from tests.flows.heads import head, voice, write_head
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.media.media_files import regular, write_media
from tests.tasks.media.test_frame_converter import LOSSLESS, as_samples, encode
from tests.tasks.media.test_interlace import woven


def hdr(path):
    """Ten bits a sample, PQ."""
    mapping, frames = tone_mapping(ColourTags(9, False, PQ, 9)), []
    for picture in head(0, 12):
        frame = as_samples(np.rint(mapping.from_screen(picture) * 65535).astype(np.uint16), "yuv420p10le", 9)
        frame.color_trc, frame.color_primaries = PQ, 9
        frames.append(frame)
    tags = {"color_trc": PQ, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    return encode(path, frames, "libx264", "yuv420p10le", tags=tags, options=LOSSLESS)


def combed(path):
    """Each picture is woven of two moments."""
    moments = [np.roll(head(3, 1)[0], round(5 * np.sin(k / 3)), 1) for k in range(24)]
    pictures = [woven(*pair) for pair in zip(moments[::2], moments[1::2], strict=True)]
    options = {"preset": "ultrafast", "crf": "10", "x264-params": "tff=1"}
    return write_media(path, regular(12), size=(256, 256), pictures=pictures, options=options)


def uneven(path):
    """A face at a variable rate, and a grey picture among every ten."""
    pictures = [np.full((256, 256, 3), 90, np.uint8) if at % 10 == 9 else one for at, one in enumerate(head(0, 25))]
    times = np.cumsum([0, *(40 if at % 3 else 80 for at in range(24))]).tolist()
    return write_media(path, times, size=(256, 256), pictures=pictures)


def faceless(path):
    """Two of 66 pictures, 3 %, show nobody."""
    pictures = [np.full((256, 256, 3), 90, np.uint8) if at in (30, 31) else one for at, one in enumerate(head(0, 66))]
    return write_media(path, regular(66), size=(256, 256), pictures=pictures)


@pytest.mark.parametrize("made", [hdr, combed, uneven, faceless])
def test_a_good_dub_of_a_difficult_source_is_accepted(made, judged, models, speech, tmp_path):
    video = made(tmp_path / "video.mp4")
    result = judged(DubJob(video=str(video), speech=str(speech), out=str(tmp_path / "out.mp4")), models)
    assert result.shots
    assert [verdict.broken for verdict in result.verdicts] == [()] * len(result.shots)
    values = result.shots[0].measures.values
    assert values["face_found_frac"] == 1
    assert abs(values["sync_offset_s"]) < 0.03
    assert result.plan.timeline.frames - result.plan.dubbed < 20


def test_music_under_the_speech_is_no_fault(judged, models, tmp_path):
    """A chord as loud as the voice; the mouth follows what it follows, and the sound of the file is the speech's."""
    times = np.arange(24_000) / 16_000
    chord = sum(np.sin(2 * np.pi * hertz * times) for hertz in (220, 277.2, 329.6)) / 15
    speech = write_wav(tmp_path / "speech.wav", (voice(1, 1.5).samples + chord).astype(np.float32))
    video = write_head(tmp_path / "video.mp4", 0, 36)
    result = judged(DubJob(video=str(video), speech=str(speech), out=str(tmp_path / "out.mp4")), models)
    assert [verdict.broken for verdict in result.verdicts] == [()]
    values = result.shots[0].measures.values
    assert values["sound_match"] > 0.95
    assert abs(values["sync_offset_s"]) < 0.03

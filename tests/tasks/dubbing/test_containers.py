"""Every container that an output's name may ask for holds what an MP4 does."""

import av
import numpy as np
import pytest

from heterodub.schemas.config.dubbing import OUTPUT_FORMATS, DubJob
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.media.source_video import SourceVideo
from tests.flows.heads import head as head_pictures
from tests.tasks.media.media_files import write_media

TIMES_MS = [0, 40, 55, 130, 133, 250, 300, 420]
TAGS = "colorprim=bt709:transfer=bt709:colormatrix=bt709"


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    """A portrait that a flag turns, of an unsteady rate, with colours of its own."""
    lying = [np.ascontiguousarray(np.rot90(picture, 1)) for picture in head_pictures(0, len(TIMES_MS))]
    path = tmp_path_factory.mktemp("phone") / "phone.mp4"
    more = {"rotation": (-90, False), "options": {"preset": "ultrafast", "x264-params": TAGS}}
    return write_media(path, TIMES_MS, size=(256, 256), pictures=lying, **more)


@pytest.mark.parametrize("suffix", [*OUTPUT_FORMATS, ".MKV"])
def test_container_is_the_one_that_the_name_says(suffix, phone, speech, models, backend, settings, tmp_path):
    out = tmp_path / "new" / f"out{suffix}"
    summary = dub(DubJob(video=str(phone), speech=str(speech), out=str(out)), models, backend, settings)
    assert (summary.out, summary.dubbed) == (str(out), len(TIMES_MS))
    with av.open(str(out)) as film:
        assert OUTPUT_FORMATS[suffix.lower()] in film.format.name
        assert [stream.codec_context.name for stream in film.streams] == ["h264", "aac"]
        frames = list(film.decode(film.streams.video[0]))
    assert [round(1000 * frame.time) for frame in frames] == TIMES_MS
    assert (frames[0].rotation, frames[0].colorspace, frames[0].color_primaries) == (-90, 1, 1)
    assert SourceVideo.open(out, settings.limits).comment().startswith("synthetic")


def test_cut_speech_is_reported_in_seconds(head, speech, models, backend, settings, tmp_path):
    def made(length):
        job = DubJob(video=str(head), speech=str(speech), out=str(tmp_path / "out.mp4"), length=length)
        return dub(job, models, backend, settings)

    cut = made("picture")
    assert cut.speech_cut_s == pytest.approx(0.5, abs=0.01)
    assert cut.summary()["speech_cut_s"] == pytest.approx(0.5, abs=0.01)
    assert any("0.50 s longer than the picture" in note and "--length" in note for note in cut.notes)
    kept = made("speech")
    assert (kept.speech_cut_s, kept.notes) == (0.0, ())

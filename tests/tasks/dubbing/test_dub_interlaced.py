"""An interlaced source is dubbed whole: deinterlaced, flagged progressive, and said so."""

import av
import numpy as np

from heterodub.schemas.config.dubbing import DubJob
from heterodub.tasks.dubbing.dub import dub
from tests.flows.heads import head as head_pictures
from tests.tasks.media.media_files import regular, write_media
from tests.tasks.media.test_interlace import comb_of, woven


def test_dub_of_combed_footage_is_not_combed(speech, models, backend, settings, tmp_path):
    moments = [np.roll(head_pictures(3, 1)[0], round(5 * np.sin(k / 3)), 1) for k in range(24)]
    source = [woven(*pair) for pair in zip(moments[::2], moments[1::2], strict=True)]
    options = {"preset": "ultrafast", "crf": "10", "x264-params": "tff=1"}
    path = write_media(tmp_path / "tape.mp4", regular(12), size=(256, 256), pictures=source, options=options)
    out = tmp_path / "out.mp4"
    result = dub(DubJob(video=str(path), speech=str(speech), out=str(out)), models, backend, settings)
    assert comb_of(source) > 0.5
    with av.open(str(out)) as film:
        frames = list(film.decode(video=0))
    assert not any(frame.interlaced_frame for frame in frames)
    assert comb_of([frame.to_ndarray(format="rgb24") for frame in frames]) == 0
    assert len(frames) == 12
    assert any("deinterlaced" in note for note in result.notes)

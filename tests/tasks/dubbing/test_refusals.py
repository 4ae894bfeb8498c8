"""Dubbings that cannot be done, or break: a clear error, and what stood there before stays."""

import shutil

import pytest

from heterodub.model.stage2.warp import WarpTranslator
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.errors import DubbingError, SourceError
from heterodub.tasks.dubbing.dub import dub
from tests.tasks.media.media_files import regular, write_media


@pytest.mark.parametrize("wrong", ["no face", "no video", "no speech", "speech is a picture", "face 4", "no folder"])
def test_impossible_dubbing_is_a_clear_error_without_leftovers(
    wrong, head, speech, models, backend, settings, tmp_path
):
    job = {"video": str(head), "speech": str(speech), "out": str(tmp_path / "out.mp4")}
    job |= {
        "no face": {"video": str(write_media(tmp_path / "blocks.mp4", regular(8)))},
        "no video": {"video": str(speech)},
        "no speech": {"speech": str(write_media(tmp_path / "mute.mp4", regular(8)))},
        "speech is a picture": {"speech": str(tmp_path / "p.png")},
        "face 4": {"face": 4},
        "no folder": {"out": str(tmp_path / "p.png" / "out.mp4")},
    }[wrong]
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (tmp_path / "out.mp4").write_text("what was there before")
    with pytest.raises((SourceError, DubbingError)) as caught:
        dub(DubJob(**job), models, backend, settings)
    assert str(tmp_path) in str(caught.value) or str(head) in str(caught.value) or str(speech) in str(caught.value)
    assert (tmp_path / "out.mp4").read_text() == "what was there before"
    assert not list(tmp_path.glob(".*partial"))


def test_broken_dubbing_keeps_the_previous_output(head, speech, models, backend, settings, tmp_path):
    (tmp_path / "out.mp4").write_text("what was there before")

    class Breaks(WarpTranslator):
        calls = 0

        def translate(self, *given):
            self.calls += 1
            if self.calls == 4:
                assert list(tmp_path.glob(".*partial"))
                raise RuntimeError("out of paint")
            return super().translate(*given)

    broken = type(models)(models.generator, models.card, Breaks(64), models.names)
    with pytest.raises(RuntimeError, match="out of paint"):
        dub(DubJob(video=str(head), speech=str(speech), out=str(tmp_path / "out.mp4")), broken, backend, settings)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "what was there before"


def test_source_is_never_written_to(head, speech, models, backend, settings, tmp_path):
    video = shutil.copy(head, tmp_path / "own.mp4")
    with pytest.raises(DubbingError, match="source itself"):
        dub(DubJob(video=str(video), speech=str(speech), out=str(video)), models, backend, settings)

"""A long film that workers share gives the file and the verdict of one pass."""

from dataclasses import replace

import av
import numpy as np
import pytest

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.dubbing.batch import dub_jobs
from heterodub.tasks.dubbing.pieces import divided
from heterodub.tasks.dubbing.spread_jobs import workers_of
from heterodub.tasks.monitoring.progress import ProgressSink
from tests.flows.heads import head as pictures_of_head
from tests.flows.heads import voice
from tests.tasks.media.media_files import regular, write_media
from tests.tasks.media.test_synthetic_marks import mark_of

FRAMES, SECTION = 40, 12


class Phases(ProgressSink):
    """Keeps the names of phases."""

    def __init__(self) -> None:
        self.names = []

    def phase(self, name, total=None, done=0, share=None):
        self.names.append((name, total))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A face in two shots: the first goes on across the border of two sections, the second begins within one."""
    shown = pictures_of_head(0, 30) + [np.ascontiguousarray(one[:, ::-1] // 2) for one in pictures_of_head(1, 10)]
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_media(path, regular(FRAMES), track=voice(1, FRAMES / 25), size=(256, 256), pictures=shown)


def packets(path):
    with av.open(str(path)) as file:
        return [(one.stream.index, one.pts, one.dts, one.duration, bytes(one)) for one in file.demux() if one.size]


def test_divided_frames_are_whole_sections_of_about_one_length():
    assert divided(100, 10, 4) == [range(0, 20), range(20, 50), range(50, 80), range(80, 100)]
    assert divided(95, 10, 99)[-1] == range(90, 95)
    assert divided(9, 10, 4) == [range(9)]


@pytest.mark.long  # a cluster of two workers, each with a child of its own
def test_workers_that_share_a_film_write_the_packets_and_the_verdict_of_one_pass(
    film, generator_folder, speech, settings, tmp_path
):
    dub = settings.dub.model_dump() | {"section_frames": SECTION, "measure": True}
    names, made, phases = (str(generator_folder), "warp"), {}, Phases()
    for workers in (1, 2):
        using = Settings(**(settings.model_dump() | {"dub": dub | {"workers": workers}}))
        job = DubJob(video=str(film), speech=str(speech), out=str(tmp_path / f"{workers}.mp4"))
        elsewhere = workers_of(using, *names)
        (made[workers],) = dub_jobs([job], *names, using, phases, elsewhere=elsewhere)
        assert made[workers].error is None
    assert ("dub pieces", 2) in phases.names
    assert ("measure pieces", 2) in phases.names
    alone, shared = (tmp_path / f"{workers}.mp4" for workers in (1, 2))
    assert packets(shared) == packets(alone)
    assert shared.read_bytes() == alone.read_bytes()
    of_one, of_two = (made[workers].dubbed for workers in (1, 2))
    assert len(of_one.acceptance.shots) == 2
    assert replace(of_two.acceptance, cpu_s=0) == replace(of_one.acceptance, cpu_s=0)
    assert (of_two.dubbed, of_two.notes) == (of_one.dubbed, of_one.notes)
    with av.open(str(shared)) as file:
        keys = [packet.pts * packet.time_base * 25 for packet in file.demux(video=0) if packet.is_keyframe]
    assert set(range(0, FRAMES, SECTION)) <= {round(key) for key in keys}
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == []
    assert mark_of(shared) == mark_of(alone)

"""With `preserve`, what is not painted on is the source's own packets, and the file is one that decodes everywhere."""

from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.dub import dub, plan_dub, render
from heterodub.tasks.dubbing.dub_inputs import open_inputs
from heterodub.tasks.dubbing.inputs import input_faults
from heterodub.tasks.media.parameter_sets import ParameterSets, of_annex_b
from tests.flows.heads import head as head_pictures
from tests.flows.heads import write_head
from tests.tasks.media.media_files import regular, tone, write_media

GROUP = 10
OPEN = "keyint=10:min-keyint=10:scenecut=0:bframes=2:open-gop=1"
CLOSED = "keyint=10:min-keyint=10:scenecut=0:bframes=2"


def with_blanks(path, **more):
    """Two seconds: a face in frames 14 to 29, else a picture without one; a group each 10 pictures, with B-frames."""
    blank = np.random.default_rng(0).integers(60, 120, (256, 256, 3), np.uint8)
    pictures = [blank] * 14 + head_pictures(2, 16) + [np.roll(blank, shift, 1) for shift in range(20)]
    options = {"options": {"preset": "medium", "crf": "20", "x264-params": CLOSED}, "size": (256, 256)} | more
    return write_media(path, regular(50), tone(2), pictures=pictures, **options)


def packets_of(path):
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        return [packet for packet in film.demux(stream) if packet.size]


def dubbed(video, speech, out, models, backend, settings, preserve="packets"):
    job = DubJob(video=str(video), speech=str(speech), out=str(out), preserve=preserve)
    return dub(job, models, backend, settings)


@pytest.mark.parametrize(("source", "suffix"), [(".mp4", ".mp4"), (".mp4", ".mkv"), (".mkv", ".mp4"), (".mov", ".mov")])
def test_packets_outside_of_the_dubbing_are_the_source_s(source, suffix, speech, models, backend, settings, tmp_path):
    video = with_blanks(tmp_path / f"film{source}")
    out = tmp_path / f"out{suffix}"
    result = dubbed(video, speech, out, models, backend, settings)
    assert result.kept == 30
    assert "30 of 50 pictures are the source's own packets" in result.notes
    before, after = packets_of(video), packets_of(out)
    same = [bytes(one) == bytes(other) for one, other in zip(before, after, strict=True)]
    assert same == [True] * 10 + [False] * 20 + [True] * 20
    if suffix != ".mkv":  # which states no decoding times
        assert all(one.dts < other.dts for one, other in pairwise(after))
        assert all(packet.dts <= packet.pts for packet in after)
    assert [packet.is_keyframe for packet in after] == [number % GROUP == 0 for number in range(50)]
    with av.open(str(video)) as source_film, av.open(str(out)) as made:
        pairs = list(zip(source_film.decode(video=0), made.decode(video=0), strict=True))
    times = [round(float(frame.pts * frame.time_base), 3) for _, frame in pairs]
    assert np.diff(times) == pytest.approx(0.04, abs=0.0011)
    off = [np.abs(one.to_ndarray().astype(int) - other.to_ndarray()).mean() for one, other in pairs]
    assert not any(off[:10]) and not any(off[30:])
    assert all(0 < error < 4 for error in off[10:30])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"options": {"preset": "ultrafast", "x264-params": "keyint=250:scenecut=0"}}, "only its first picture"),
        ({"options": {"preset": "medium", "x264-params": OPEN}}, "only its first picture"),
        ({"codec": "mpeg4"}, "packets are kept of H.264 alone, this is mpeg4"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_work_or_encoded_near_lossless(
    more, why, speech, models, backend, settings, tmp_path
):
    video = with_blanks(tmp_path / "film.mp4", **more)
    job = DubJob(video=str(video), speech=str(speech), out=str(tmp_path / "out.mp4"), preserve="packets")
    (said,) = input_faults(job, settings.limits)
    assert why in said and "--preserve best" in said
    with pytest.raises(DubbingError, match=why):
        dub(job, models, backend, settings)
    result = dubbed(video, speech, tmp_path / "out.mp4", models, backend, settings, preserve="best")
    assert result.kept == 0
    assert any("near lossless" in note and why in note for note in result.notes)


def test_every_packet_is_kept_where_all_shots_show_the_source(speech, models, backend, settings, tmp_path):
    video = with_blanks(tmp_path / "film.mp4")
    job = DubJob(video=str(video), speech=str(speech), out=str(tmp_path / "out.mp4"), preserve="packets")
    with open_inputs(job, models, backend, settings) as inputs:
        plan = plan_dub(inputs)
        assert plan.dubbed > 0
        kept = replace(plan, parts=[replace(part, is_shown=False) for part in plan.parts])
        result = render(inputs, kept, tmp_path / "out.mp4")
    assert (kept.dubbed, result.dubbed, result.kept) == (0, 0, 50)


def test_near_lossless_is_closer_to_the_source_than_the_usual(speech, models, backend, settings, tmp_path):
    video = write_head(tmp_path / "film.mp4", 0, 13)

    def error(preserve):
        out = tmp_path / f"{preserve}.mp4"
        dubbed(video, speech, out, models, backend, settings, preserve)
        with av.open(str(video)) as source, av.open(str(out)) as made:
            pairs = zip(source.decode(video=0), made.decode(video=0), strict=True)
            # the upper rows, which no dubbing touches
            return np.mean([np.abs(a.to_ndarray()[:60].astype(int) - b.to_ndarray()[:60]).mean() for a, b in pairs])

    assert error("near-lossless") < error("off") / 2


def test_header_joins_sets_of_two_encoders(tmp_path):
    with av.open(str(write_head(tmp_path / "film.mp4", 0, 5))) as film:
        header = bytes(film.streams.video[0].codec_context.extradata)
    sets = ParameterSets.of(header)
    assert (sets.size, sets.numbers, sets.free_number()) == (4, {0}, 1)
    assert sets.joined([]) == header
    sps, pps = sets.sequence[0], sets.picture[0]
    joined = ParameterSets.of(sets.joined([sps, pps]))
    assert (joined.sequence, joined.picture, joined.further) == ([sps, sps], [pps, pps], sets.further)
    assert of_annex_b(b"\0\0\0\1" + sps + b"\0\0\1" + pps) == [sps, pps]
    assert ParameterSets.of(b"\0\0\0\1" + sps).size == 0

"""All that a film has beside its picture and the sound that is replaced is in the dubbing, too, at the same times."""

from fractions import Fraction

import av
import pytest
from av.stream import Disposition

from heterodub.schemas.config.dubbing import DubJob
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.media.source_video import SourceVideo
from tests.flows.heads import write_head
from tests.tasks.dubbing.test_packets import with_blanks
from tests.tasks.media.media_files import StreamPart, draw, regular, remux, tone, write_media

TEXTS = ((200, 500, "Guten <i>Tag</i>"), (600, 900, "Auf Wiedersehen"))
BASE = Fraction(1, 1000)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A face with sound, a second sound, subtitles, chapters, a font and tags, the first picture at 0.4 s."""
    folder = tmp_path_factory.mktemp("film")
    head = write_head(folder / "head.mkv", 0, 25)
    comments = write_media(folder / "comments.mkv", regular(25), tone(1, hertz=600))
    parts = [av.open(str(head)), av.open(str(comments))]
    with av.open(str(folder / "film.mkv"), "w", "matroska") as out:
        out.metadata["title"] = "An interview"
        sources = [parts[0].streams.video[0], parts[0].streams.audio[0], parts[1].streams.audio[0]]
        copies = [out.add_stream_from_template(stream) for stream in sources]
        copies[1].disposition = Disposition.default
        copies[2].metadata["language"] = "deu"
        subtitles = out.add_mux_stream("subrip")
        subtitles.metadata["language"] = "ger"
        out.set_chapters(
            [
                {"id": 1, "start": 400, "end": 900, "time_base": BASE, "metadata": {"title": "one"}},
                {"id": 2, "start": 900, "end": 1400, "time_base": BASE, "metadata": {"title": "two"}},
            ]
        )
        out.add_attachment("font.ttf", "font/ttf", b"abc" * 100)
        packets = []
        for source, copy in zip(sources, copies, strict=True):
            for packet in source.container.demux(source):
                if packet.dts is not None:
                    late = round(Fraction(4, 10) / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + late, packet.dts + late, copy
                    packets.append((packet.dts * packet.time_base, packet))
            source.container.seek(0)
        for start, end, text in TEXTS:
            packet = av.Packet(text.encode())
            packet.stream, packet.time_base = subtitles, BASE
            packet.pts = packet.dts = start + 400
            packet.duration = end - start
            packets.append((packet.dts * BASE, packet))
        for _, packet in sorted(packets, key=lambda one: one[0]):
            out.mux(packet)
    for part in parts:
        part.close()
    return folder / "film.mkv"


def packets_of(path, kind, number=0):
    """Times in seconds, and the bytes, of the packets of a stream that hold something."""
    with av.open(str(path)) as container:
        stream = [one for one in container.streams if one.type == kind][number]
        packets = [packet for packet in container.demux(stream) if packet.size]
        return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]


def dubbed(film, speech, out, models, backend, settings):
    return dub(DubJob(video=str(film), speech=str(speech), out=str(out)), models, backend, settings)


def test_other_streams_chapters_and_tags_are_carried_over(film, speech, models, backend, settings, tmp_path):
    out = tmp_path / "out.mkv"
    result = dubbed(film, speech, out, models, backend, settings)
    assert not [note for note in result.notes if "carried" in note]
    with av.open(str(out)) as made:
        assert [stream.type for stream in made.streams] == ["video", "audio", "audio", "subtitle", "attachment"]
        assert made.metadata["title"] == "An interview"
        assert "synthetic" in made.metadata["COMMENT"]
        chapters = [(float(one["start"] * one["time_base"]), one["metadata"]["title"]) for one in made.chapters()]
        assert chapters == [(0.0, "one"), (0.5, "two")]
        assert made.streams[2].metadata["language"] == "deu"
        assert made.streams[3].metadata["language"] == "ger"
        assert bytes(made.streams[4].data) == b"abc" * 100
    begins = packets_of(out, "video")[0][0]
    before, after = packets_of(film, "audio", 1), packets_of(out, "audio", 1)
    assert [raw for _, raw in after] == [raw for _, raw in before]
    assert [time - begins for time, _ in after] == pytest.approx([time - 0.4 for time, _ in before], abs=0.0011)
    texts = packets_of(out, "subtitle")
    assert [raw.decode() for _, raw in texts] == [text for *_, text in TEXTS]
    assert [time - begins for time, _ in texts] == pytest.approx([0.2, 0.6], abs=0.0011)


def test_text_is_put_into_the_form_of_the_container_and_what_it_cannot_hold_is_named(
    film, speech, models, backend, settings, tmp_path
):
    out = tmp_path / "out.mp4"
    result = dubbed(film, speech, out, models, backend, settings)
    assert [note for note in result.notes if "carried" in note] == [
        "not carried over: stream 4 (attachment): .mp4 cannot hold it"
    ]
    with av.open(str(out)) as made:
        kinds = [stream.type for stream in made.streams]
        assert kinds == ["video", "audio", "audio", "subtitle", "data"]  # the last: the titles of the chapters
        assert made.streams.subtitles[0].codec_context.name == "mov_text"
        assert len(made.chapters()) == 2
    said = [(time, raw[2:].decode()) for time, raw in packets_of(out, "subtitle") if len(raw) > 2]
    assert said == [(pytest.approx(0.2, abs=0.002), "Guten Tag"), (pytest.approx(0.6, abs=0.002), "Auf Wiedersehen")]


def test_stream_that_cannot_be_written_ends_and_costs_nothing_else(film, speech, models, backend, settings, tmp_path):
    def broken(container, streams):
        for packet in container.demux(streams):
            if packet.size and packet.stream.index == 2 and packet.pts > 900:
                packet.dts = packet.pts = 450  # again and again: what a damaged file may say
            yield packet

    out = tmp_path / "out.mp4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("heterodub.tasks.dubbing.carried.packets_of", broken)
        result = dubbed(film, speech, out, models, backend, settings)
    assert any("stream 2 (sound, flac): it ends at" in note for note in result.notes)
    assert result.frames == len(packets_of(out, "video"))
    assert len(packets_of(out, "subtitle")) >= 2


@pytest.mark.parametrize("preserve", ["off", "packets"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_dubbed_picture_and_sound_stay_the_default_ones_beside_a_larger_picture(
    suffix, preserve, speech, models, backend, settings, tmp_path
):
    face = with_blanks(tmp_path / "face.mp4")
    size = (640, 384)
    slides = [draw(number, *size) for number in range(50)]
    larger = write_media(tmp_path / "slides.mp4", regular(50), tone(2), pictures=slides, size=size)
    parts = StreamPart(face, 0, Disposition.default), StreamPart(face, 1), StreamPart(larger, 0), StreamPart(larger, 1)
    video, out = remux(tmp_path / "film.mkv", *parts), tmp_path / f"out{suffix}"
    job = DubJob(video=str(video), speech=str(speech), out=str(out), preserve=preserve)
    dub(job, models, backend, settings)
    with av.open(str(out)) as made:
        kinds = [stream.type for stream in made.streams]
        flagged = [bool(stream.disposition & Disposition.default) for stream in made.streams]
    assert (kinds, flagged) == (["video", "audio", "video", "audio"], [True, True, False, False])
    assert SourceVideo.open(out, settings.limits).facts.picture_stream == 0

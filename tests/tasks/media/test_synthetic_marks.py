"""Marks of generators: each kind is found in a file that bears it, and none in a file that does not."""

import av
import pytest

from heterodub.schemas.config.dubbing import SYNTHETIC
from heterodub.tasks.media.containers import open_input
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.synthetic_marks import synthetic_mark
from tests.tasks.media.media_files import regular, write_media


def mark_of(path):
    with open_input(path, sniff(path), 1 << 20) as source:
        return synthetic_mark(path, source)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_media(tmp_path_factory.mktemp("plain") / "plain.mp4", regular(5))


@pytest.fixture
def tagged(plain, tmp_path):
    """tagged(**tags): the same film with tags in its container."""

    def write(suffix=".mkv", **tags):
        out = tmp_path / f"tagged{suffix}"
        with av.open(str(plain)) as source, av.open(str(out), "w") as target:
            target.metadata.update(tags)
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        return out

    return write


def test_camera_footage_bears_no_mark(plain, tagged):
    assert mark_of(plain) is None
    named = tagged(title="Sora in Kyoto", comment="pika pika", encoder="Lavf61", software="HandBrake 1.8")
    assert mark_of(named) is None


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_dubs_are_known_by_their_comment(tagged, suffix):
    found = mark_of(tagged(suffix, comment=f"synthetic; digitalSourceType={SYNTHETIC}; software=heterodub 0.1"))
    assert found == "digitalSourceType compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize(
    ("tags", "mark"),
    [
        ({"AIGC": '{"Label":"1","ContentProducer":"x"}'}, "AIGC label"),
        ({"SOFTWARE": "FaceFusion 3.1"}, "made by FaceFusion"),
        ({"generator": "Kling AI"}, "made by Kling"),
        ({"comment": '{"prompt": {"3": {"class_type": "KSampler"}}}'}, "ComfyUI workflow"),
    ],
)
def test_tags_of_tools_are_marks(tagged, tags, mark):
    assert mark_of(tagged(**tags)) == mark


@pytest.mark.parametrize("term", [b"trainedAlgorithmicMedia", b"algorithmicMedia", b"compositeSynthetic"])
def test_source_type_is_found_in_packets_that_ffmpeg_does_not_show(plain, tmp_path, term):
    """C2PA manifests and XMP lie in boxes of their own; at either end of the file."""
    text = b"\0" * 16 + b"<x>http://cv.iptc.org/newscodes/digitalsourcetype/" + term + b"</x>"
    box = (8 + len(text)).to_bytes(4, "big") + b"uuid" + text
    film = plain.read_bytes()
    size = int.from_bytes(film[:4], "big")  # of ftyp
    for name, content in (("end", film + box), ("start", film[:size] + box + film[size:])):
        path = tmp_path / f"{name}.mp4"
        path.write_bytes(content)
        assert mark_of(path) == f"digitalSourceType {term.decode()}"


def test_source_types_of_cameras_are_no_marks(plain, tmp_path):
    path = tmp_path / "camera.mp4"
    text = b"http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture algorithmicMediation"
    path.write_bytes(plain.read_bytes() + (8 + len(text)).to_bytes(4, "big") + b"uuid" + text)
    assert mark_of(path) is None

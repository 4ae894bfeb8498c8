"""Signed films: what is found in them again, and what every change does to it."""

import http.server
import threading
import time
from dataclasses import replace

import av
import c2pa
import pytest

from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import SigningError
from heterodub.tasks.provenance.certificate import open_signer
from heterodub.tasks.provenance.manifest import SETTINGS, definition, source_ingredient
from heterodub.tasks.provenance.reading import mark_of, read_manifest
from heterodub.tasks.provenance.signing import begin, finish
from heterodub.tasks.provenance.trial import write_trial_certificate
from heterodub.tasks.provenance.verify import verify_file
from tests.tasks.provenance.conftest import RECORD

MARK = "digitalSourceType compositeWithTrainedAlgorithmicMedia"
OF_A_DUB = f"the source bears a mark of synthetic footage itself: {MARK}"


def packets(path):
    with av.open(str(path)) as file:
        return [(packet.pts, packet.dts, bytes(packet)) for packet in file.demux() if packet.pts is not None]


def changed(path, out, place, by=b"\xff"):
    data = bytearray(path.read_bytes())
    data[place : place + len(by)] = by
    out.write_bytes(data)
    return out


def test_signed_film_says_what_it_was_made_of(signed):
    found = read_manifest(signed)
    assert (found.state, found.trusted, found.failures) == ("intact", False, ())
    assert found.signer == "heterodub trial certificate"
    assert found.record == RECORD
    assert found.generator == "heterodub 1.2"
    assert found.source == "none"


def test_watermark_is_an_action_of_the_manifest(film, signer, tmp_path):
    marked = replace(RECORD, watermark=True)
    finish(signer.sign(begin(film, tmp_path / "signed.mp4", marked, signer.certificate, str(film))))
    assert read_manifest(tmp_path / "signed.mp4").record == marked
    assert read_manifest(tmp_path / "signed.mp4").state == "intact"
    assert b"c2pa.watermarked.unbound" in (tmp_path / "signed.mp4").read_bytes()


def test_signing_changes_no_packet(film, signed):
    assert packets(signed) == packets(film)


def test_ingest_finds_the_mark_of_a_signed_film(film, signed):
    assert mark_of(film) is None
    assert mark_of(signed) == MARK


def test_changed_picture_is_found(signed, tmp_path):
    data = signed.read_bytes()
    found = read_manifest(changed(signed, tmp_path / "changed.mp4", data.rindex(b"mdat") + 40))
    assert found.state == "altered"
    assert any("bmffHash.mismatch" in words for words in found.failures)


def test_changed_record_is_found(signed, tmp_path):
    place = signed.read_bytes().index(b"a" * 64)
    assert read_manifest(changed(signed, tmp_path / "changed.mp4", place, b"d")).state == "altered"


def test_broken_manifest_is_no_missing_one(signed, tmp_path):
    place = signed.read_bytes().index(b"c2pa.claim") + 60
    assert read_manifest(changed(signed, tmp_path / "broken.mp4", place, b"\xff" * 300)).state == "altered"


def test_film_without_a_manifest_is_unsigned(film):
    assert read_manifest(film).state == "unsigned"


def test_manifest_of_the_source_is_kept(film, signed, sign, tmp_path):
    assert sign(film, tmp_path / "again.mp4", signed) == (OF_A_DUB,)
    found = read_manifest(tmp_path / "again.mp4")
    assert (found.state, found.source, found.source_signer) == ("intact", "intact", "heterodub trial certificate")


def test_broken_signature_of_the_source_is_kept_and_named(film, signed, sign, tmp_path):
    source = changed(signed, tmp_path / "source.mp4", signed.read_bytes().rindex(b"mdat") + 40)
    marked, note = sign(film, tmp_path / "again.mp4", source)
    assert marked == OF_A_DUB
    assert "does not fit the source: assertion.bmffHash.mismatch" in note
    found = read_manifest(tmp_path / "again.mp4")
    assert (found.state, found.source) == ("intact", "altered")


def test_unreadable_manifest_of_the_source_is_left_out_and_named(film, signed, sign, tmp_path):
    source = changed(signed, tmp_path / "source.mp4", signed.read_bytes().index(b"c2pa.claim") + 60, b"\xff" * 300)
    _, note = sign(film, tmp_path / "again.mp4", source)
    assert "cannot be read, so it is not kept" in note
    assert read_manifest(tmp_path / "again.mp4").state == "intact"


def test_source_of_a_container_without_manifests_is_an_ingredient(film, sign, tmp_path):
    with av.open(str(film)) as source, av.open(str(tmp_path / "film.mkv"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.pts is not None:
                packet.stream = stream
                out.mux(packet)
    assert sign(film, tmp_path / "signed.mp4", tmp_path / "film.mkv") == ()
    assert read_manifest(tmp_path / "signed.mp4").state == "intact"
    assert read_manifest(tmp_path / "film.mkv").state == "unsigned"


def test_trust_follows_the_anchors(certificate, signed, tmp_path):
    own, stranger = certificate[0].read_text(), write_trial_certificate(tmp_path)[0].read_text()
    assert (read_manifest(signed, own).state, read_manifest(signed, own).trusted) == ("intact", True)
    assert (read_manifest(signed, stranger).state, read_manifest(signed, stranger).trusted) == ("untrusted", False)


@pytest.mark.parametrize(
    "text", ["no certificate", "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n"]
)
def test_trust_anchors_that_are_none_are_refused(text, signed, tmp_path):
    (tmp_path / "anchors.pem").write_text(text)
    settings = Settings(provenance=ProvenanceSettings(trust_anchors=tmp_path / "anchors.pem"))
    with pytest.raises(SigningError, match=r"trust anchors .*anchors\.pem cannot be read"):
        verify_file(str(signed), settings)


def test_certificate_that_expired_since_vouches_for_nothing(film, sign, tmp_path):
    until = time.time() + 2
    certificate, key = write_trial_certificate(tmp_path, days=2 / 86400)
    signer = open_signer(ProvenanceSettings(certificate=certificate, private_key=key))
    sign(film, tmp_path / "signed.mp4", film, signer)
    time.sleep(max(0.0, until - time.time()) + 1.1)
    assert read_manifest(tmp_path / "signed.mp4").state == "expired"


def test_signature_of_another_key_is_never_passed_on(film, signer, tmp_path):
    certificate, key = write_trial_certificate(tmp_path)
    other = open_signer(ProvenanceSettings(certificate=certificate, private_key=key))
    claim = begin(film, tmp_path / "signed.mp4", RECORD, signer.certificate, str(film))
    with pytest.raises(SigningError, match="cannot be signed"):
        finish(other.sign(claim))


def test_film_that_is_none_cannot_be_signed(film, signer, tmp_path):
    (tmp_path / "none.mp4").write_bytes(b"no film at all, and long enough for a box")
    with pytest.raises(SigningError, match="cannot be signed"):
        begin(tmp_path / "none.mp4", tmp_path / "signed.mp4", RECORD, signer.certificate, str(film))


def test_record_of_another_form_is_no_record(film, signer, tmp_path):
    described = definition(RECORD)
    described["assertions"][1]["data"] = {"video": ["x"] * 3}
    builder = c2pa.Builder.from_json(described, context=c2pa.Context.from_dict(SETTINGS))
    builder.add_ingredient(source_ingredient(RECORD), "video/mp4", film.open("rb"))
    algorithm = c2pa.C2paSigningAlg[signer.certificate.algorithm]
    with film.open("rb") as unsigned, (tmp_path / "odd.mp4").open("w+b") as out:
        opened = c2pa.Signer.from_callback(signer.sign, algorithm, signer.certificate.chain)
        builder.sign(opened, "video/mp4", unsigned, out)
    found = read_manifest(tmp_path / "odd.mp4")
    assert (found.state, found.record) == ("intact", None)


@pytest.fixture
def asked():
    """Address of a server, and the paths that were asked of it."""
    paths = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/manifest.c2pa", paths
    server.shutdown()
    server.server_close()


def test_manifest_that_lies_elsewhere_is_not_fetched(film, signer, sign, asked, tmp_path):
    address, paths = asked
    builder = c2pa.Builder.from_json(definition(RECORD), context=c2pa.Context.from_dict(SETTINGS))
    builder.set_remote_url(address)
    builder.set_no_embed()
    builder.add_ingredient(source_ingredient(RECORD), "video/mp4", film.open("rb"))
    algorithm = c2pa.C2paSigningAlg[signer.certificate.algorithm]
    with film.open("rb") as unsigned, (tmp_path / "remote.mp4").open("w+b") as out:
        opened = c2pa.Signer.from_callback(signer.sign, algorithm, signer.certificate.chain)
        builder.sign(opened, "video/mp4", unsigned, out)
    found = read_manifest(tmp_path / "remote.mp4")
    assert found.state == "unsigned"
    assert address in found.failures[0]
    (note,) = sign(film, tmp_path / "again.mp4", tmp_path / "remote.mp4")
    assert "is not kept, for it lies elsewhere" in note
    assert paths == []
    with pytest.raises(c2pa.C2paError):  # the same file, by a library left to its own settings, does ask
        c2pa.Reader("video/mp4", (tmp_path / "remote.mp4").open("rb"))
    assert paths != []

"""`heterodub verify`: its answers and exit codes, without a workspace; what is no video is refused."""

import json

import pytest

from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.tasks.provenance.certificate import open_signer
from heterodub.tasks.provenance.manifest import DubRecord, ModelMark
from heterodub.tasks.provenance.signing import begin, finish
from heterodub.tasks.provenance.trial import write_trial_certificate
from tests.flows.commands import each_ended
from tests.tasks.media.media_files import regular, write_media

RECORD = DubRecord(
    "1.2",
    "a" * 64,
    ("b" * 64,),
    None,
    ModelMark("\x1b[2Jgenerator 3", "c" * 64),
    ModelMark("warp", None),
    False,
    10,
    False,
)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Each command's end, by the file that it verifies; "trusting", "strange": of the signed one, with anchors."""
    folder = tmp_path_factory.mktemp("verify")
    film = write_media(folder / "unsigned.mp4", regular(5))
    certificate, key = write_trial_certificate(folder)
    signer = open_signer(ProvenanceSettings(certificate=certificate, private_key=key))
    signed = folder / "signed.mp4"
    finish(signer.sign(begin(film, signed, RECORD, signer.certificate, str(film))))
    data = bytearray(signed.read_bytes())
    data[data.rindex(b"mdat") + 40] ^= 1
    (folder / "altered.mp4").write_bytes(data)
    undecodable = bytearray(signed.read_bytes())
    undecodable[undecodable.rindex(b"stbl") :] = bytes(len(undecodable) - undecodable.rindex(b"stbl"))
    (folder / "undecodable.mp4").write_bytes(undecodable)
    (folder / "text.mp4").write_text("no video")
    (folder / "strangers").mkdir()
    other, _ = write_trial_certificate(folder / "strangers")
    for name, anchors in (("trusting", certificate), ("strange", other)):
        (folder / f"{name}.toml").write_text(f'[provenance]\ntrust_anchors = "{anchors}"\n')
    files = ("signed", "altered", "undecodable", "unsigned", "text", "none")
    commands = [("verify", folder / f"{name}.mp4") for name in files]
    commands += [("verify", signed, "--config", folder / f"{name}.toml") for name in ("trusting", "strange")]
    commands += [("verify", signed, "--json")]
    return dict(zip((*files, "trusting", "strange", "json"), each_ended(commands), strict=True))


def test_exit_codes_tell_what_was_found(ended):
    codes = {name: one.returncode for name, one in ended.items()}
    assert codes == {
        **{"signed": 0, "trusting": 0, "json": 0, "altered": 3, "undecodable": 3, "unsigned": 4, "strange": 5},
        **{"text": 1, "none": 1},
    }


def test_answer_names_signer_models_and_inputs(ended):
    shown = ended["signed"].stdout.decode()
    for words in ("intact", "heterodub trial certificate", "trusted", "generator 3", "sha256 " + "b" * 64, "warp"):
        assert words in shown
    assert "\x1b" not in shown
    assert "yes, by a trust anchor" in ended["trusting"].stdout.decode()


def test_altered_file_names_the_finding(ended):
    assert "assertion.bmffHash.mismatch" in ended["altered"].stdout.decode()


def test_file_that_no_longer_decodes_is_altered(ended):
    shown = ended["undecodable"].stdout.decode()
    assert "altered: the file is not as it was signed" in shown
    assert "no picture can be decoded" in shown


def test_json_holds_all_that_was_found(ended):
    found = json.loads(ended["json"].stdout)
    assert (found["state"], found["record"]["speeches"], found["source"]) == ("intact", ["b" * 64], "none")
    assert found["mark"] == "digitalSourceType compositeWithTrainedAlgorithmicMedia"


def test_what_is_no_video_ends_in_one_line(ended):
    for name in ("text", "none"):
        lines = ended[name].stderr.decode().splitlines()
        assert lines[-1].startswith("error: ")
        assert "Traceback" not in "".join(lines)

"""A dub that is signed, from the settings to the finished file; and jobs that cannot be."""

import json

import pytest

from heterodub.model.checksums import file_hash
from heterodub.schemas.cards import WEIGHTS
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import DubbingError
from heterodub.tasks.dubbing.batch import dub_by
from heterodub.tasks.dubbing.jobs import Dubbed, ModelPaths
from heterodub.tasks.dubbing.resume import dub_key
from heterodub.tasks.dubbing.signing import dub_record
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.preflight.dubbing import check_dub
from heterodub.tasks.provenance.manifest import definition
from heterodub.tasks.provenance.trial import write_trial_certificate
from heterodub.tasks.provenance.verify import verify_file


def signing(folder, settings, **more) -> Settings:
    certificate, key = write_trial_certificate(folder, **more)
    provenance = ProvenanceSettings(certificate=certificate, private_key=key)
    return settings.model_copy(update={"provenance": provenance})


@pytest.fixture
def job(head, speech, tmp_path):
    return DubJob(video=str(head), speech=str(speech), out=str(tmp_path / "out.mp4"))


@pytest.fixture
def paths(generator_folder):
    return ModelPaths(generator_folder, None, ("a generator", "warp"))


def test_dub_is_signed_and_names_models_and_inputs(job, head, speech, dubber, generator_folder, settings, tmp_path):
    signed = signing(tmp_path, settings)
    (result,) = dub_by(dubber, [job], str(generator_folder), "warp", signed, ProgressSink())
    assert result.error is None
    assert result.summary()["signed_by"] == "heterodub trial certificate, heterodub"
    secret = signed.provenance.private_key.read_text().splitlines()[1]
    kept = json.dumps(result.summary()) + (tmp_path / ".out.mp4.heterodub.json").read_text()
    assert secret not in kept
    assert secret.encode() not in (tmp_path / "out.mp4").read_bytes()
    found = verify_file(job.out, settings)
    assert (found["state"], found["trusted"], found["source"]) == ("intact", False, "none")
    record = found["record"]
    assert (record["video"], record["speeches"]) == (file_hash(head), (file_hash(speech),))
    assert record["generator"]["sha256"] == file_hash(generator_folder / WEIGHTS)
    assert record["translator"] == {"name": "warp", "sha256": None}
    assert found["mark"] == "digitalSourceType compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize(
    ("frames", "turns", "said"),
    [
        (20, None, "the mouth was made to fit another speech, which replaces the sound"),
        (20, "outside", "the mouth was made to fit another speech, which replaces the sound of its turns"),
        (20, "none", "the mouth was made to fit another speech, which replaces the sound"),
        (0, None, "another speech replaces the sound; the picture is the source's"),
    ],
)
def test_manifest_claims_no_more_than_what_is_in_the_file(frames, turns, said, job, speech, paths, settings, tmp_path):
    """A watermark is in dubbed frames alone; by turns the film's own sound may stay around them."""
    if turns is not None:
        (tmp_path / "turns.csv").write_text("start,end,person\n0,1,ANNA\n")
        by_turns = {"speech": None, "turns": str(tmp_path / "turns.csv"), "speeches": {"ANNA": str(speech)}}
        job = job.model_copy(update={**by_turns, "keep_sound": turns})
    marking = settings.model_copy(update={"provenance": ProvenanceSettings(watermark=True)})
    dubbed = Dubbed(job.out, 20, frames, 0.8, 1.0, {}, *paths.names)
    record = dub_record(job, paths, dubbed, marking)
    assert record.watermark == (frames > 0)
    actions = definition(record)["assertions"][0]["data"]["actions"]
    assert [action["action"] == "c2pa.watermarked.unbound" for action in actions][2:] == [True] * record.watermark
    assert actions[1]["description"] == said


def test_another_certificate_asks_for_another_dub(job, paths, settings, tmp_path):
    keys = set()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        signed = signing(tmp_path / name, settings)
        assert dub_key(job, paths, signed) == dub_key(job, paths, signed)
        keys.add(dub_key(job, paths, signed))
        unsigned = signed.model_copy(update={"provenance": signed.provenance.model_copy(update={"sign": False})})
        assert dub_key(job, paths, unsigned) == dub_key(job, paths, settings)
    assert len(keys | {dub_key(job, paths, settings)}) == 3


def test_expired_certificate_is_a_fault_before_any_work(job, settings, generator_folder, tmp_path):
    with pytest.raises(DubbingError, match=r"expired on .* or pass --no-sign"):
        check_dub([job], str(generator_folder), "warp", signing(tmp_path, settings, days=1, begins_days=-3))


def test_certificate_that_c2pa_refuses_is_a_fault_before_any_work(job, settings, generator_folder, tmp_path):
    with pytest.raises(DubbingError, match="cannot sign"):
        check_dub([job], str(generator_folder), "warp", signing(tmp_path, settings, purpose=None))


def test_matroska_is_a_fault_before_any_work(job, settings, generator_folder, tmp_path):
    film = job.model_copy(update={"out": str(tmp_path / "out.MKV")})
    assert check_dub([film], str(generator_folder), "warp", settings) == {}
    with pytest.raises(DubbingError, match="C2PA has no form for Matroska"):
        check_dub([film], str(generator_folder), "warp", signing(tmp_path, settings))

"""Parts of the demo; CI runs the whole of it (`.ci/run`)."""

import pytest

from heterodub.flows.demo import SETTINGS, SPEECH, VIDEO, Demo
from heterodub.schemas.config.settings import load_settings
from heterodub.tasks.provenance.certificate import open_signer
from heterodub.tasks.provenance.trial import try_signing
from heterodub.tasks.releases.splits import place_of
from heterodub.tasks.synthetic.kinds import ROWS


@pytest.fixture
def demo(tmp_path) -> Demo:
    result = Demo(tmp_path)
    result.config.write_text(SETTINGS, "utf-8")
    return result


def test_settings_are_valid_and_make_small_trainings(demo):
    settings = load_settings(demo.config, workspace=demo.workspace)
    for stage in (settings.stage1, settings.stage2):
        assert stage.preset == "tiny"
        assert stage.schedule.max_steps <= 400


def test_dubbed_speaker_is_of_the_test_split_and_another_than_the_one_heard(demo):
    settings = load_settings(demo.config, workspace=demo.workspace)
    by_file = {row.file: row for row in ROWS}
    seen, heard = by_file[VIDEO].speaker, by_file[SPEECH].speaker
    assert seen != heard
    assert place_of(seen) < settings.splits.test_share


def test_certificate_of_the_demo_signs(demo):
    demo.write_certificate()
    signer = open_signer(load_settings(demo.config).provenance)
    assert signer.certificate.signer == "heterodub trial certificate, heterodub"
    try_signing(signer)


def test_finished_model_is_not_made_again(demo, monkeypatch):
    trained = []
    monkeypatch.setattr(demo, "make_model", lambda *what: trained.append(what) or {"promoted": {"champion": 1}})
    first = demo.once("model1", "stage1", 60)
    assert demo.once("model1", "stage1", 60) == first == {"promoted": {"champion": 1}}
    assert trained == [("stage1", 60)]

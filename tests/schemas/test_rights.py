"""Rights: values of consent and purpose, and what a policy refuses for which use."""

import pytest

from heterodub.schemas.errors import SettingsError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import ClipReason, Stage
from heterodub.schemas.rights import NOTHING_STATED, Consent, Use, consent_of, purpose_of


@pytest.fixture
def rights(tmp_path):
    """rights(text): the rights of a policy with this section."""

    def read(text):
        path = tmp_path / "policy.toml"
        path.write_text(f'name = "p"\nversion = 1\n[stage1]\n[stage2]\n[rights]\n{text}')
        return load_policy(path).rights

    return read


def stated(**values):
    return {**NOTHING_STATED, **values}


def test_consent_begins_with_a_known_value():
    assert consent_of("Given") == "given"
    assert consent_of("not needed : a drawing") == "not_needed: a drawing"
    assert (consent_of("Yes"), consent_of("false: by phone")) == ("given", "refused: by phone")
    for wrong in ("signed", "", ": form 12", "givenness"):
        with pytest.raises(ValueError, match="given, public"):
            consent_of(wrong)


def test_purposes_are_known_and_sorted():
    assert purpose_of("research; product") == "product research" == purpose_of("product,research")
    with pytest.raises(ValueError, match="'fun'"):
        purpose_of("research fun")


def test_default_refuses_what_people_refused(rights):
    default = rights("")
    for use in Use:
        assert default.refusals(use, NOTHING_STATED) == ()
        for value in Consent:
            expected = (ClipReason.CONSENT_NOT_PERMITTED,) if value in ("refused", "withdrawn") else ()
            assert default.refusals(use, stated(consent=f"{value}: a note")) == expected
    assert load_policy().rights == default


def test_each_use_has_its_own_lists(rights):
    strict = rights(
        """
        stage1 = {licences = ["CC0-1.0", "House"], consents = ["given"], purposes = ["research", "unstated"]}
        export = {licences = ["unstated"]}
        """
    )
    allowed = stated(licence="House", consent="given", purpose="research")
    assert strict.refusals(Use.STAGE1, allowed) == strict.refusals(Use.STAGE2, NOTHING_STATED) == ()
    assert strict.refusals(Stage.STAGE1, allowed | {"purpose": "any"}) == ()
    assert strict.refusals(Use.STAGE1, allowed | {"purpose": None}) == ()
    assert strict.refusals(Use.STAGE1, allowed | {"purpose": "product"}) == (ClipReason.PURPOSE_NOT_PERMITTED,)
    assert strict.refusals(Use.STAGE1, NOTHING_STATED) == (
        ClipReason.LICENCE_NOT_PERMITTED,
        ClipReason.CONSENT_NOT_PERMITTED,
    )
    assert strict.refusals(Use.EXPORT, allowed) == (ClipReason.LICENCE_NOT_PERMITTED,)


def test_synthetic_media_is_refused_for_training_unless_allowed(rights):
    dub = stated(synthetic="made by heterodub")
    for use in Use:
        expected = (ClipReason.SYNTHETIC_MEDIA,) if use in (Use.STAGE1, Use.STAGE2) else ()
        assert rights("").refusals(use, dub) == expected
        assert rights("synthetic_media = true").refusals(use, dub) == ()


def test_known_licences_are_spdx_house_and_listed_ones(rights):
    some = rights('house_licences = ["House"]\nstage2 = {licences = ["Listed"]}')
    assert all(map(some.is_known, ("House", "Listed", "CC0-1.0 OR MIT", "LicenseRef-X")))
    assert not some.is_known("CC BY 4.0")


@pytest.mark.parametrize("text", ['stage1 = {consents = ["yes"]}', 'export = {purposes = ["fun"]}', "sharing = {}"])
def test_wrong_values_are_settings_errors(rights, text):
    with pytest.raises(SettingsError):
        rights(text)

"""Certificates and keys that cannot sign are named before any work; those that can do sign."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.schemas.errors import SigningError
from heterodub.tasks.provenance.certificate import certificate_hash, open_signer
from heterodub.tasks.provenance.trial import try_signing, write_trial_certificate


def settings(certificate, key, **more) -> ProvenanceSettings:
    return ProvenanceSettings(certificate=certificate, private_key=key, **more)


def pem(key, encryption=None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.fixture
def place(certificate, tmp_path):
    """A certificate and its key, as copies that the test may change."""
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for path, original in zip(paths, certificate, strict=True):
        path.write_bytes(original.read_bytes())
    return paths


@pytest.mark.parametrize(
    "key",
    [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), "ed25519", "rsa"],
    ids=lambda kind: getattr(kind, "name", kind),
)
def test_every_kind_of_key_that_is_taken_signs(key, tmp_path):
    made = (
        ed25519.Ed25519PrivateKey.generate()
        if key == "ed25519"
        else rsa.generate_private_key(65537, 2048)
        if key == "rsa"
        else ec.generate_private_key(key)
    )
    signer = open_signer(settings(*write_trial_certificate(tmp_path, key=made)))
    assert signer.certificate.signer == "heterodub trial certificate, heterodub"
    try_signing(signer)


def test_signer_shows_no_key(place):
    secret = load_pem_private_key(place[1].read_bytes(), None).private_numbers().private_value
    shown = repr(signer := open_signer(settings(*place)))
    assert str(secret) not in shown
    assert "PRIVATE" not in shown
    assert not any("PRIVATE" in str(value) for value in (signer.certificate.chain, signer.certificate.signer))


def test_signer_is_none_where_nothing_is_signed(place):
    assert open_signer(ProvenanceSettings()) is None
    assert open_signer(settings(*place, sign=False)) is None
    assert certificate_hash(settings(*place, sign=False)) is None
    assert len(certificate_hash(settings(*place))) == 64


def test_settings_want_certificate_and_key_together(place):
    with pytest.raises(ValidationError, match="belong together"):
        ProvenanceSettings(certificate=place[0])
    with pytest.raises(ValidationError, match="sign asks for a certificate"):
        ProvenanceSettings(sign=True)


def test_missing_files_are_named(place, tmp_path):
    with pytest.raises(SigningError, match=r"certificate .*none\.pem cannot be read: No such file"):
        open_signer(settings(tmp_path / "none.pem", place[1]))
    with pytest.raises(SigningError, match=r"private key .*none\.pem cannot be read: No such file"):
        open_signer(settings(place[0], tmp_path / "none.pem"))


def test_files_of_another_kind_are_named_without_their_content(place):
    with pytest.raises(SigningError, match="holds no certificate in PEM"):
        open_signer(settings(place[1], place[1]))
    place[1].write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(SigningError, match="holds no private key in PEM") as caught:
        open_signer(settings(*place))
    assert "c2VjcmV0" not in str(caught.value)


def test_encrypted_key_is_refused(place):
    place[1].write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"word")))
    with pytest.raises(SigningError, match="is encrypted"):
        open_signer(settings(*place))


def test_key_of_another_certificate_is_refused(place):
    place[1].write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(SigningError, match="is not the key of the first certificate"):
        open_signer(settings(*place))


def test_expired_certificate_is_refused_with_its_date(tmp_path):
    with pytest.raises(SigningError, match=r"expired on 20\d\d-\d\d-\d\d"):
        open_signer(settings(*write_trial_certificate(tmp_path, days=1, begins_days=-3)))


def test_certificate_of_the_future_is_refused(tmp_path):
    with pytest.raises(SigningError, match=r"is valid from .* not yet"):
        open_signer(settings(*write_trial_certificate(tmp_path, begins_days=3)))


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256K1()), rsa.generate_private_key(65537, 1024)])
def test_key_that_c2pa_does_not_take_is_refused(key, tmp_path):
    with pytest.raises(SigningError, match="of a kind that C2PA does not take"):
        open_signer(settings(*write_trial_certificate(tmp_path, key=key)))


def test_certificate_without_a_purpose_is_refused_by_the_trial(tmp_path):
    signer = open_signer(settings(*write_trial_certificate(tmp_path, purpose=None)))
    with pytest.raises(SigningError, match="cannot sign"):
        try_signing(signer)

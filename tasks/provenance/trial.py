"""A trial of a certificate before any work, and a certificate for trials."""

import io
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import c2pa
from c2pa import C2paError, C2paSigningAlg
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from heterodub.schemas.config.dubbing import SYNTHETIC
from heterodub.schemas.errors import SigningError
from heterodub.tasks.provenance.certificate import Signer
from heterodub.tasks.provenance.manifest import SETTINGS

_CLAIM: Final = {
    "claim_generator_info": [{"name": "heterodub"}],
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SYNTHETIC}]},
        }
    ],
}
_DAYS: Final = 30
_AUTHORITY: Final = "heterodub trial authority"


def try_signing(signer: Signer) -> None:
    """Sign a picture of one pixel, to see that the C2PA library takes the certificate.

    Raises: SigningError - it does not: a root, a purpose that is not among its own, a signature of another key.
    """
    certificate = signer.certificate
    try:
        builder = c2pa.Builder.from_json(_CLAIM, context=c2pa.Context.from_dict(SETTINGS))
        algorithm = C2paSigningAlg[certificate.algorithm]
        with c2pa.Signer.from_callback(signer.sign, algorithm, certificate.chain) as opened:
            builder.sign(opened, "image/png", io.BytesIO(_pixel()), io.BytesIO())
    except C2paError as error:
        raise SigningError(f"the certificate of {certificate.signer} cannot sign: {error}") from error


def _pixel() -> bytes:
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def write_trial_certificate(
    folder: Path,
    days: float = _DAYS,
    begins_days: float = 0,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
) -> tuple[Path, Path]:
    """Write a certificate and its key that no authority vouches for, and return their paths. Those who verify are told
    that it is not trusted.

    days: for which it is valid. begins_days: days until then. key: else one on P-256. purpose: that the certificate
    states; C2PA refuses one without.
    """
    authority, key = ec.generate_private_key(ec.SECP256R1()), key or ec.generate_private_key(ec.SECP256R1())
    begins = datetime.now(UTC) + timedelta(days=begins_days)
    validity = begins - timedelta(minutes=1), begins + timedelta(days=days)
    root = _certificate(_AUTHORITY, authority.public_key(), authority, validity, is_authority=True)
    root_signed = root.sign(authority, hashes.SHA256())
    own = _certificate("heterodub trial certificate", key.public_key(), authority, validity, is_authority=False)
    if purpose is not None:
        own = own.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    paths = folder / "trial-certificate.pem", folder / "trial-key.pem"
    chain = own.sign(authority, hashes.SHA256()), root_signed
    paths[0].write_bytes(b"".join(entry.public_bytes(Encoding.PEM) for entry in chain))
    paths[1].touch(0o600)
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def _certificate(
    name: str,
    key: CertificatePublicKeyTypes,
    authority: ec.EllipticCurvePrivateKey,
    validity: tuple[datetime, datetime],
    is_authority: bool,
) -> x509.CertificateBuilder:
    """Describe a certificate of the trial authority, with the extensions that C2PA asks for but the purpose."""
    issuer = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(_AUTHORITY))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .add_extension(usage, critical=True)
    )


def _name(name: str) -> x509.Name:
    attributes = ((NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, "heterodub"))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in attributes])

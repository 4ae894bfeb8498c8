"""The operator's certificate and private key: read, checked before any work, and used to sign.

The key stays in the process that the user started. Children that read footage get the certificate alone, and ask for
each signature.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from heterodub.schemas.config.provenance import ProvenanceSettings
from heterodub.schemas.errors import SigningError

Algorithm = Literal["ES256", "ES384", "ES512", "PS256", "ED25519"]
"""Name of a signature in COSE; it follows from the kind of the key."""

_CURVES: Final[dict[str, tuple[Algorithm, hashes.HashAlgorithm]]] = {
    "secp256r1": ("ES256", hashes.SHA256()),
    "secp384r1": ("ES384", hashes.SHA384()),
    "secp521r1": ("ES512", hashes.SHA512()),
}
_LEAST_RSA_BITS: Final = 2048
"""C2PA refuses shorter ones."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The public half: a chain in PEM, the signer's own first. signer: name of who signs, for people."""

    chain: str
    algorithm: Algorithm
    signer: str


@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """A certificate with the means to sign. sign: returns the signature of some bytes, in the form of COSE. The key is
    in no field, so that no record, log or error can show it.
    """

    certificate: Certificate
    sign: Callable[[bytes], bytes] = field(repr=False)


def certificate_hash(settings: ProvenanceSettings) -> str | None:
    """sha256 of the certificate that dubs are signed with, in hex; None where they are not signed.

    Raises: OSError - it cannot be read.
    """
    if settings.certificate is None or not settings.signs:
        return None
    return hashlib.sha256(settings.certificate.read_bytes()).hexdigest()


def open_signer(settings: ProvenanceSettings) -> Signer | None:
    """Read and check certificate and key; None where dubs are not signed.

    Raises: SigningError - one is missing, not readable, not yet or no longer valid, they do not belong together, or the
    key is of a kind that C2PA does not take.
    """
    if settings.certificate is None or settings.private_key is None or not settings.signs:
        return None
    own, *above = read_certificates(settings.certificate, "certificate")
    key = _key(settings.private_key)
    _check_validity(own, settings.certificate)
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
        raise SigningError(
            f"{settings.private_key} is not the key of the first certificate in {settings.certificate}; the signer's "
            "own certificate stands first"
        )
    algorithm, sign = _signing(key, settings.private_key)
    chain = "".join(entry.public_bytes(Encoding.PEM).decode() for entry in (own, *above))
    return Signer(Certificate(chain, algorithm, _name(own)), sign)


def read_certificates(path: Path, called: str) -> list[x509.Certificate]:
    """Read the certificates of a file, at least one. called: what the file is, in words.

    Raises: SigningError - it cannot be read, or holds something else.
    """
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise SigningError(f"the {called} {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SigningError(f"the {called} {path} cannot be read: it holds no certificate in PEM") from error


def _key(path: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SigningError(f"the private key {path} cannot be read: {error.strerror}") from error
    except TypeError as error:  # what the library says of a key that asks for a password
        raise SigningError(
            f"the private key {path} is encrypted: give one that is not, in a file of yours alone"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path} holds no private key in PEM that can be read") from error  # no word of its content


def _check_validity(certificate: x509.Certificate, path: Path) -> None:
    begins, ends, now = certificate.not_valid_before_utc, certificate.not_valid_after_utc, datetime.now(UTC)
    if now > ends:
        raise SigningError(f"the certificate {path} expired on {ends:%Y-%m-%d %H:%M} UTC: renew it, or pass --no-sign")
    if now < begins:
        raise SigningError(f"the certificate {path} is valid from {begins:%Y-%m-%d %H:%M} UTC on, not yet")


def _signing(key: PrivateKeyTypes, path: Path) -> tuple[Algorithm, Callable[[bytes], bytes]]:
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            algorithm, digest = _CURVES[key.curve.name]
            size = (key.curve.key_size + 7) // 8

            def sign(data: bytes) -> bytes:
                pair = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
                return b"".join(number.to_bytes(size, "big") for number in pair)

            return algorithm, sign
        case rsa.RSAPrivateKey() if key.key_size >= _LEAST_RSA_BITS:
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
            return "PS256", lambda data: key.sign(data, salted, hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            return "ED25519", key.sign
    raise SigningError(
        f"{path} is of a kind that C2PA does not take: use P-256, P-384, P-521, Ed25519, or RSA of 2048 bits or more"
    )


def _name(certificate: x509.Certificate) -> str:
    """Return the subject's common name and organisation, as far as it has them."""
    parts = [
        str(attribute.value)
        for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        for attribute in certificate.subject.get_attributes_for_oid(kind)
    ]
    return ", ".join(dict.fromkeys(parts)) or "a certificate without a name"

"""Signing of a finished dub in two calls: the child builds the manifest, its parent has the key.

The child that reads footage may be in other hands after that, so it never holds the private key: `begin` returns the
bytes to be signed, and `finish` takes their signature.
"""

import queue
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import c2pa
from c2pa import C2paError, C2paSigningAlg

from heterodub.schemas.config.provenance import SIGNABLE
from heterodub.schemas.errors import SigningError
from heterodub.tasks.media.paths import localise, open_regular
from heterodub.tasks.provenance.certificate import Certificate
from heterodub.tasks.provenance.manifest import SETTINGS, DubRecord, definition, source_ingredient
from heterodub.tasks.provenance.reading import container_type, mark_of, read_manifest

_OPAQUE: Final = "application/octet-stream"
"""Type of a file in which the library looks for no manifest."""

_SIGNATURE_S: Final = 60.0
"""Seconds within which the parent signs; after them the library gives the file up."""


@dataclass(slots=True)
class _Pending:
    """A signing that waits for its signature."""

    claim: "queue.Queue[bytes | None]"
    signature: "queue.Queue[bytes]"
    done: "Future[None]"
    notes: tuple[str, ...]


_PENDING: list[_Pending] = []
"""The signing that `begin` has left to `finish`; one at a time."""


def begin(rendered: Path, signed: Path, record: DubRecord, certificate: Certificate, source: str) -> bytes:
    """Build the manifest of a dub, with the manifest of its source as an ingredient, up to what is to be signed.

    rendered: the unsigned file. signed: the file to write. source: name under which the source was handed over.

    Raises: SigningError - the library refuses the certificate or the file. MediaRefusedError - the source cannot be
    read.
    """
    _PENDING.clear()
    pending = _Pending(queue.Queue(), queue.Queue(), Future(), ())
    builder = c2pa.Builder.from_json(definition(record), context=c2pa.Context.from_dict(SETTINGS))
    with localise(source, signed.parent) as path:
        pending.notes = tuple(_add_source(builder, path, record))

    def answer(claim: bytes) -> bytes:
        pending.claim.put(bytes(claim))
        return pending.signature.get(timeout=_SIGNATURE_S)

    def work() -> None:
        algorithm = C2paSigningAlg[certificate.algorithm]
        with (
            c2pa.Signer.from_callback(answer, algorithm, certificate.chain) as signer,
            rendered.open("rb") as unsigned,
            signed.open("w+b") as out,
        ):
            builder.sign(signer, SIGNABLE[rendered.suffix.lower()], unsigned, out)

    pool = ThreadPoolExecutor(1, "sign")
    pending.done = pool.submit(work)
    pool.shutdown(wait=False)
    pending.done.add_done_callback(lambda _: pending.claim.put(None))  # which is read if it ended without a claim
    if (claim := pending.claim.get()) is None:
        with _named_errors():
            pending.done.result()
        raise SigningError("the C2PA library asked for no signature")
    _PENDING.append(pending)
    return claim


def finish(signature: bytes) -> tuple[str, ...]:
    """Complete the signing with the signature of what `begin` returned; returns notes for people.

    The library reads the file again, so one that does not verify is not passed on.

    Raises: SigningError - it does not verify, or the library refuses to write it.
    """
    pending = _PENDING.pop()
    pending.signature.put(signature)
    with _named_errors():
        pending.done.result()
    return pending.notes


def _add_source(builder: c2pa.Builder, path: Path, record: DubRecord) -> Iterator[str]:
    """Add the source as an ingredient, with its manifest if it has one, and yield notes on that."""
    described = source_ingredient(record)
    kind = container_type(path) or _OPAQUE
    if (mark := mark_of(path)) is not None:
        yield f"the source bears a mark of synthetic footage itself: {mark}"
    try:
        with open_regular(path) as file:
            builder.add_ingredient(described, kind, file)
    except C2paError as error:
        with open_regular(path) as file:
            builder.add_ingredient(described, _OPAQUE, file)
        yield f"the source's C2PA manifest cannot be read, so it is not kept: {error}"
        return
    found = read_manifest(path)
    if found.state == "altered":
        yield f"the source's C2PA manifest is kept, but does not fit the source: {'; '.join(found.failures)}"
    elif found.state == "unsigned" and found.failures:
        yield f"the source's C2PA manifest is not kept, for it lies elsewhere: {'; '.join(found.failures)}"


@contextmanager
def _named_errors() -> Iterator[None]:
    """Turn errors of the library into those of the run. Raises: SigningError, in their place."""
    try:
        yield
    except C2paError as error:
        raise SigningError(f"the dub cannot be signed: {error}") from error

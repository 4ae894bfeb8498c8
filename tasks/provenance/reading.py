"""Reading of a file's C2PA manifests, in the child: who signed it, is it as it was signed, and what it was made of.

A manifest of a stranger is a claim of a stranger: its texts are cut, its record is checked for its form.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import c2pa
from c2pa import C2paError
from pydantic import TypeAdapter, ValidationError

from heterodub.tasks.media.containers import NO_PICTURES, open_input
from heterodub.tasks.media.paths import open_regular
from heterodub.tasks.media.sniff import Container, sniff
from heterodub.tasks.media.synthetic_marks import synthetic_mark
from heterodub.tasks.provenance.manifest import DUB_LABEL, SETTINGS, DubRecord
from heterodub.tasks.provenance.report import ManifestReport, SourceState, State

_FORMATS: Final = {Container.MP4: "video/mp4", Container.AVI: "video/avi", Container.GIF: "image/gif"}
"""Types of containers whose manifests C2PA reads."""

_OF_TRUST: Final = frozenset({"signingCredential.untrusted"})
_OF_TIME: Final = frozenset({"signingCredential.expired", "claimSignature.outsideValidity"})
"""Findings that say nothing against the bytes."""

_LONGEST: Final = 200
"""Characters of a text that are kept."""

_RECORD: Final = TypeAdapter(DubRecord)


def container_type(path: Path) -> str | None:
    """Type of a file's container, as C2PA names it; None for one whose manifests it does not read.

    Raises: MediaRefusedError - the file cannot be read, or is no video.
    """
    return _FORMATS.get(sniff(path))


def mark_of(path: Path) -> str | None:
    """Return the first mark of a generator in a video, signed or not; see synthetic_marks.

    Raises: MediaRefusedError - the file cannot be read, or is no video.
    """
    with open_input(path, sniff(path), NO_PICTURES) as source:
        return synthetic_mark(path, source)


def read_manifest(path: Path, anchors: str | None = None) -> ManifestReport:
    """Read and verify the manifests of a file; nothing is fetched. anchors: authorities that are trusted, in PEM.

    Raises: MediaRefusedError - the file cannot be read, or is no video.
    """
    kind = container_type(path)
    if kind is None:
        return ManifestReport("unsigned")
    context = c2pa.Context.from_dict(SETTINGS | ({} if anchors is None else {"trust": {"user_anchors": anchors}}))
    try:
        with open_regular(path) as file, c2pa.Reader(kind, file, context=context) as reader:
            found, state = json.loads(reader.json()), reader.get_validation_state()
    except C2paError.ManifestNotFound:
        return ManifestReport("unsigned")
    except C2paError.RemoteManifest as error:
        return ManifestReport("unsigned", failures=(_text(error),))
    except (C2paError, ValueError, RecursionError) as error:
        kept_elsewhere = str(error).startswith("Remote:")
        return ManifestReport("unsigned" if kept_elsewhere else "altered", failures=(_text(error),))
    return _report(found, state == "Trusted", anchors is not None)


def _report(found: Mapping[str, Any], trusted: bool, asks_for_trust: bool) -> ManifestReport:
    manifests = _mapping(found.get("manifests"))
    active = _mapping(manifests.get(str(found.get("active_manifest"))))
    failures = list(_failures(found.get("validation_results")))
    codes = {code for code, _ in failures}
    if codes - _OF_TRUST - _OF_TIME:
        state: State = "altered"
    elif codes & _OF_TIME:
        state = "expired"
    else:
        state = "untrusted" if asks_for_trust and not trusted else "intact"
    signature = _mapping(active.get("signature_info"))
    generators = _mappings(active.get("claim_generator_info"))
    source, source_signer = _source(active, manifests)
    return ManifestReport(
        state,
        _optional(signature.get("common_name")),
        _optional(signature.get("issuer")),
        trusted,
        tuple(_text(f"{code}: {words}") for code, words in failures if code not in _OF_TRUST),
        next((_text(f"{entry.get('name', '')} {entry.get('version', '')}".strip()) for entry in generators), None),
        tuple(_source_types(active)),
        _record(active),
        source,
        source_signer,
    )


def _failures(results: Any) -> Iterator[tuple[str, str]]:
    for finding in _mappings(_mapping(_mapping(results).get("activeManifest")).get("failure")):
        yield str(finding.get("code")), str(finding.get("explanation", ""))


def _source(active: Mapping[str, Any], manifests: Mapping[str, Any]) -> tuple[SourceState, str | None]:
    """State and signer of the source's own manifest, as they were found when the dub was signed."""
    for ingredient in _mappings(active.get("ingredients")):
        if ingredient.get("relationship") == "parentOf" and (label := ingredient.get("active_manifest")):
            broken = {code for code, _ in _failures(ingredient.get("validation_results"))} - _OF_TRUST
            signature = _mapping(_mapping(manifests.get(str(label))).get("signature_info"))
            return "altered" if broken else "intact", _optional(signature.get("common_name"))
    return "none", None


def _source_types(active: Mapping[str, Any]) -> Iterator[str]:
    for assertion in _mappings(active.get("assertions")):
        if str(assertion.get("label")).startswith("c2pa.actions"):
            for action in _mappings(_mapping(assertion.get("data")).get("actions")):
                if kind := action.get("digitalSourceType"):
                    yield _text(kind)


def _record(active: Mapping[str, Any]) -> DubRecord | None:
    for assertion in _mappings(active.get("assertions")):
        if assertion.get("label") == DUB_LABEL:
            try:
                return _RECORD.validate_python(assertion.get("data"))
            except ValidationError:
                return None
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (_mapping(entry) for entry in (value if isinstance(value, list) else ()))


def _optional(value: Any) -> str | None:
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    return str(value)[:_LONGEST]

"""Marks that tell synthetic footage: what generators and editors write into a file by rule or by habit.

Only marks are read. Footage of a generator that left none, or whose marks were lost, looks like a camera's here.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from av.container import InputContainer

from .paths import open_regular

_ENDS_BYTES: Final = 4 << 20
"""Bytes at both ends of a file that are searched: where C2PA manifests, XMP packets and tags lie."""

_SOURCE_TYPE: Final = re.compile(
    rb"digitalsourcetype/"
    rb"(algorithmicMedia|trainedAlgorithmicMedia|trainedAlgorithmicData|compositeWithTrainedAlgorithmicMedia|compositeSynthetic)"
)
"""Terms of the IPTC's digital source types, in XMP and in C2PA manifests, for what was generated wholly or in part.
Addresses are case-sensitive; a search that is not takes 24 times as long, 60 ms a large file. In a C2PA manifest (CBOR)
the byte after a text is the head of the next, mostly a letter, so no end of the word is asked for.
"""

_AIGC: Final = "aigc"
"""Key of the label of generated content that China requires since September 2025 (GB 45438-2025)."""

_TOOL_TAGS: Final = frozenset(
    {
        "com.apple.quicktime.software", "creation_tool", "creator_tool", "encoded_by", "encoder", "generator",
        "software", "writing_application",
    }
)  # fmt: skip
_TOOLS: Final = re.compile(
    r"\b(heterodub|heygen|synthesia|d-id|runway|runwayml|sora|kling|kling ?ai|pika|pika labs|luma ?ai|hailuo|veo"
    r"|comfyui|stable video diffusion|deepfacelab|facefusion|roop|sadtalker|wav2lip|latentsync|musetalk)\b",
    re.IGNORECASE,
)
_WORKFLOW: Final = '"class_type"'
"""Stands in the graph of nodes that ComfyUI writes into a comment."""


def synthetic_mark(path: Path, source: InputContainer) -> str | None:
    """Return the first mark of a generator in an opened file, such as "digitalSourceType trainedAlgorithmicMedia"; None
    without one.

    Raises: MediaRefusedError - VANISHED, UNREADABLE.
    """
    return next(_marks(path, source), None)


def _marks(path: Path, source: InputContainer) -> Iterator[str]:
    for tags in (source.metadata, *(stream.metadata for stream in source.streams)):
        yield from _of_tags({name.casefold(): str(text) for name, text in tags.items()})
    if found := _SOURCE_TYPE.search(_ends(path)):
        yield f"digitalSourceType {found[1].decode()}"


def _of_tags(tags: Mapping[str, str]) -> Iterator[str]:
    for name, text in tags.items():
        if found := _SOURCE_TYPE.search(text.encode(errors="replace")):
            yield f"digitalSourceType {found[1].decode()}"
        if name.endswith(_AIGC):
            yield "AIGC label"
        if _WORKFLOW in text:
            yield "ComfyUI workflow"
        if name in _TOOL_TAGS and (tool := _TOOLS.search(text)):
            yield f"made by {tool[1]}"


def _ends(path: Path) -> bytes:
    with open_regular(path) as file:
        head = file.read(_ENDS_BYTES)
        file.seek(max(len(head), file.seek(0, 2) - _ENDS_BYTES))
        return head + b"\0" + file.read()

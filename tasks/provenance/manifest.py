"""C2PA manifest of a dub: what was done to the video, by which models, with which speech."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from heterodub.schemas.config.dubbing import SYNTHETIC

DUB_LABEL: Final = "heterodub.dub"
"""Label of the assertion that holds a DubRecord."""

SOURCE: Final = "source"
"""Name by which the manifest's actions speak of the source video."""

SETTINGS: Final[dict[str, Any]] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
    "core": {"backing_store_memory_threshold_in_mb": 16},
}
"""Settings of the C2PA library: nothing is fetched, and no picture of a face is added."""


@dataclass(frozen=True, slots=True)
class ModelMark:
    """A model by its name and by the sha256 of its weights, in hex; None for the warp, which has none."""

    name: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class DubRecord:
    """Inputs and models of a dub. Inputs by the sha256 of their bytes, in hex, since names of files may be names of
    people. speeches: of all sound files that a film by turns is dubbed with, else of one. appearance: of the video or
    picture that lends its face. version: of heterodub. watermark: dubbed frames bear it. dubbed_frames: with a
    mouth that was changed. own_sound: outside of the dubbed turns, the film's own is heard.
    """

    version: str
    video: str
    speeches: tuple[str, ...]
    appearance: str | None
    generator: ModelMark
    translator: ModelMark
    watermark: bool
    dubbed_frames: int
    own_sound: bool


def definition(record: DubRecord) -> dict[str, Any]:
    """Return the manifest's definition, for the C2PA library: actions, and the record as an assertion of our own."""
    agent = {"name": "heterodub", "version": record.version}
    edited = {
        "action": "c2pa.edited",
        "digitalSourceType": SYNTHETIC,
        "softwareAgent": agent,
        "description": _done(record),
    }
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [SOURCE]}}
    marked = [{"action": "c2pa.watermarked.unbound", "softwareAgent": agent}] if record.watermark else []
    return {
        "claim_generator_info": [agent],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [opened, edited, *marked]}},
            {"label": DUB_LABEL, "data": asdict(record)},
        ],
    }


def _done(record: DubRecord) -> str:
    """Say what was done to picture and sound."""
    sound = "the sound of its turns" if record.own_sound else "the sound"
    if record.dubbed_frames:
        return f"the mouth was made to fit another speech, which replaces {sound}"
    return f"another speech replaces {sound}; the picture is the source's"


def source_ingredient(record: DubRecord) -> dict[str, Any]:
    """Return the description of the source video, as the parent of the dub."""
    return {"title": f"video {record.video}", "relationship": "parentOf", "label": SOURCE}

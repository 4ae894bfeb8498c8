"""Are the files of registered models there, and those that were logged."""

from collections.abc import Iterator
from pathlib import Path

from model.sealing import check_seal
from schemas.errors import ModelFileError, TrackingError

from .kinds import KINDS
from .models import Version
from .place import Place
from .registry import versions
from .store import Tracking, open_to_ask


def damaged(place: Place) -> list[str]:
    """What is wrong with the files of versions, in words. Only of a store of our own: from others they would have to be
    fetched, which whoever uses one does anyway.

    Raises: TrackingError - the store cannot be asked.
    """
    tracking = open_to_ask(place)
    found = [version for name in KINDS for version in versions(tracking, name)] if place.folder else []
    return [fault for version in found for fault in _faults(tracking, version)]


def _faults(tracking: Tracking, version: Version) -> Iterator[str]:
    try:
        tracking.require_held(version.source, str(version))
        if not Path(version.source).is_dir():
            yield f"the files of {version} are not there"
        elif version.tags.keys() >= set(version.kind.hashed.values()):
            check_seal(Path(version.source) / "artifacts" / version.kind.inner, version.hashes)
    except (ModelFileError, TrackingError) as error:
        yield f"{version}: {error}"

"""Check of the recognisers of faces and voices, and of what is stored by them."""

from collections.abc import Iterator
from typing import Final

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import counted
from heterodub.tasks.identity.stored import INSTALL, count_embeddings, measured_later, notes
from heterodub.tasks.inspect.findings import Finding, good, warning
from heterodub.tasks.stores.workspace import Workspace

_WHAT: Final = "embeddings"


def check_recognisers(settings: Settings) -> Finding:
    """Check that the recognisers are installed, where the settings want them."""
    if not settings.identity.embeddings:
        return good("weights", _WHAT, "switched off")
    from heterodub.tasks.identity.embeddings import missing_recognisers

    if lacking := missing_recognisers():
        return warning("weights", _WHAT, f"no recogniser of the {' and the '.join(lacking)}", INSTALL)
    return good("weights", _WHAT, "recognisers of face and voice are installed")


def check_embeddings(ws: Workspace, settings: Settings) -> Iterator[Finding]:
    """Check which clips lack embeddings that the settings want, or have some that they do not.

    Raises: WorkspaceError - a table cannot be read.
    """
    counts = count_embeddings(ws)
    if settings.identity.embeddings:
        lacking = notes(counts)
        remedy = measured_later(settings.clips.remeasure)
        yield from (warning("workspace", _WHAT, note, remedy) for note in lacking)
        if not lacking:
            yield good("workspace", _WHAT, f"measured of all {counted(counts.measured, 'clip')}")
    elif counts.stored:
        detail = f"{counted(counts.stored, 'embedding')} stored although the settings switch them off"
        yield warning(
            "workspace", _WHAT, detail, "`heterodub takedown` erases those of its footage; a new workspace has none"
        )
    else:
        yield good("workspace", _WHAT, "switched off, and none is stored")

"""Rights in footage: what its owner and the people shown allow, as stated, and which of it a use may have.

Inputs of the policy like any measurement, but of a file rather than of a clip. docs/rights.md defines every value.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from pydantic import Field, field_validator

from .config.sections import Section
from .licences import UNSTATED, canonical_licence, permitted, spdx
from .reasons import ClipReason, Stage

RIGHTS: Final = ("licence", "consent", "purpose", "synthetic")
"""Columns of a file and of its clips that the rights of a policy read. synthetic: the mark of a generator, if any."""

NOTHING_STATED: Final[Mapping[str, str | None]] = dict.fromkeys(RIGHTS)


class Consent(StrEnum):
    """Consent of the people shown."""

    GIVEN = "given"  # they agreed to the stated purposes
    PUBLIC = "public"  # they appeared in public or published it themselves; nobody asked
    NOT_NEEDED = "not_needed"  # nobody is shown who could be known again
    REFUSED = "refused"  # they were asked, and declined
    WITHDRAWN = "withdrawn"  # they had agreed, and have taken it back


class Purpose(StrEnum):
    """Purpose that footage may serve, as its owner or the people shown have said."""

    RESEARCH = "research"  # studies whose models are not offered to others
    PRODUCT = "product"  # models that are offered to others
    PUBLICATION = "publication"  # the footage itself may be handed on or shown
    ANY = "any"


class Use(StrEnum):
    """Use of footage that a policy may restrict."""

    STAGE1 = "stage1"
    STAGE2 = "stage2"
    EXPORT = "export"
    PROMOTION = "promotion"


_ANSWERS: Final = {
    **dict.fromkeys(("yes", "true", "1"), Consent.GIVEN.value),
    **dict.fromkeys(("no", "false", "0"), Consent.REFUSED.value),
}


def consent_of(text: str) -> str:
    """Check a consent: a value, "yes" or "no", and after a colon any note, such as "given: form 12 of 2024".

    Raises: ValueError - it begins with no known value.
    """
    value, _, note = text.partition(":")
    word = value.strip().casefold().replace(" ", "_")
    if (known := _ANSWERS.get(word, word)) not in {*Consent}:
        raise ValueError(f"consent {text!r} is none of {', '.join(Consent)}; a note may follow after a colon")
    return f"{known}: {note.strip()}" if note.strip() else known


def is_refusal(consent: str | None) -> bool:
    """Return True if the people shown said no: refused or withdrawn, with or without a note."""
    return (consent or "").partition(":")[0] in (Consent.REFUSED, Consent.WITHDRAWN)


def purpose_of(text: str) -> str:
    """Check purposes, separated by spaces, commas or semicolons; returns them sorted, separated by spaces.

    Raises: ValueError - one is unknown.
    """
    words = sorted({*text.casefold().replace(",", " ").replace(";", " ").split()})
    if unknown := [word for word in words if word not in {*Purpose}]:
        raise ValueError(f"purpose {', '.join(map(repr, unknown))} is none of {', '.join(Purpose)}")
    return " ".join(words)


CHECKED: Final = {"licence": canonical_licence, "consent": consent_of, "purpose": purpose_of}
"""Function that checks each stated right and returns it in one form. Raises: ValueError."""


def checked(name: str, stated: str | None) -> str | None:
    """Return a stated right in its one form; None if nothing is stated, or nothing that is known."""
    try:
        return CHECKED[name](stated) if stated and name in CHECKED else stated
    except ValueError:
        return None


_NOT_REFUSED: Final = (Consent.GIVEN, Consent.PUBLIC, Consent.NOT_NEEDED, UNSTATED)


class UseRights(Section):
    """Rights that footage needs for a use. Without a list of licences or purposes, any will do; in a list, "unstated"
    lets in footage of which nothing is stated.
    """

    licences: tuple[str, ...] | None = Field(None, description="SPDX expressions or house licences that may be used")
    consents: tuple[str, ...] = Field(_NOT_REFUSED, description="values of consent that may be used")
    purposes: tuple[str, ...] | None = Field(None, description="purposes of which the footage must allow one")

    @field_validator("consents")
    @classmethod
    def _known_consents(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _known(values, Consent)

    @field_validator("purposes")
    @classmethod
    def _known_purposes(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if values is None else _known(values, Purpose)

    def refusals(self, stated: Mapping[str, Any]) -> tuple[ClipReason, ...]:
        """Return the reasons for which footage may not be used. stated: its licence, consent and purpose."""
        consent = (stated["consent"] or UNSTATED).partition(":")[0]
        purposes = {*(stated["purpose"] or UNSTATED).split()}
        holds = {
            ClipReason.LICENCE_NOT_PERMITTED: self.licences is None or permitted(stated["licence"], self.licences),
            ClipReason.CONSENT_NOT_PERMITTED: consent in self.consents,
            ClipReason.PURPOSE_NOT_PERMITTED: self.purposes is None
            or Purpose.ANY in purposes
            or bool(purposes & {*self.purposes}),
        }
        return tuple(reason for reason, is_permitted in holds.items() if not is_permitted)


def _known(values: tuple[str, ...], kind: type[StrEnum]) -> tuple[str, ...]:
    if unknown := [value for value in values if value not in {*kind, UNSTATED}]:
        raise ValueError(f"no such value: {', '.join(unknown)}; known are {', '.join((*kind, UNSTATED))}")
    return values


_ANYTHING: Final = UseRights()


class Rights(Section):
    """Rights that footage needs for each use. Synthetic media is refused by both stages unless it is allowed."""

    house_licences: tuple[str, ...] = Field((), description="names of licences of your own, which are no SPDX ones")
    synthetic_media: bool = Field(False, description="true lets in footage that bears the mark of a generator")
    stage1: UseRights = Field(_ANYTHING, description="of landmark generation")
    stage2: UseRights = Field(_ANYTHING, description="of landmark translation")
    export: UseRights = Field(_ANYTHING, description="of footage that leaves the workspace")
    promotion: UseRights = Field(_ANYTHING, description="of all that a promoted model was trained on")

    def refusals(self, use: Use | Stage, stated: Mapping[str, Any]) -> tuple[ClipReason, ...]:
        """Return the reasons for which footage may not serve a use. stated: its values of RIGHTS."""
        rights: UseRights = getattr(self, use.value)
        is_training = use.value in {*Stage}
        refused = is_training and stated["synthetic"] is not None and not self.synthetic_media
        return (*rights.refusals(stated), *((ClipReason.SYNTHETIC_MEDIA,) if refused else ()))

    def is_known(self, licence: str) -> bool:
        """Return True of an SPDX expression and of a house licence."""
        named = {*self.house_licences}
        for use in Use:
            rights: UseRights = getattr(self, use.value)
            named |= {*(rights.licences or ())}
        return spdx(licence) is not None or licence in named

"""Licences of footage: SPDX expressions, checked and brought to one form, and any other text, which is kept as stated.

A house licence is a text that a policy names, such as "BBC agreement"; SPDX writes it as LicenseRef-BBC-agreement.
"""

from collections.abc import Callable, Collection
from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

UNSTATED: Final = "unstated"
"""Name, in lists of licences, consents and purposes, of footage of which nothing is stated."""

_PUBLIC_DOMAIN: Final = "LicenseRef-Public-Domain"


def canonical_licence(text: str) -> str:
    """Return an SPDX expression in its usual spelling, and other text as it is, without spaces around it."""
    return spdx(text) or text.strip()


def spellings(text: str) -> frozenset[str]:
    """Return the spellings of a licence that may be stored: as it is stated, canonical, and in small letters, as older
    workspaces and their tombstones have it.
    """
    canonical = canonical_licence(text)
    return frozenset({text, canonical, *([canonical.lower()] if spdx(text) else [])})


def spdx(text: str) -> str | None:
    """Return the expression in its usual spelling; None if it is no SPDX expression (specification 2.3, annex D)."""
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None


def suggestion(text: str) -> str | None:
    """Return the SPDX expression that a text probably means, such as CC-BY-4.0 for "CC BY 4.0"; None if unclear."""
    words = text.strip().replace("Creative Commons", "CC").split()
    dashed = "-".join(words)
    guesses = (dashed, dashed.upper(), f"{dashed}-only", f"{dashed}-1.0")
    if text.strip().casefold() == "public domain":
        return _PUBLIC_DOMAIN
    return next((found for guess in guesses if (found := spdx(guess))), None)


def permitted(licence: str | None, allowed: Collection[str]) -> bool:
    """Return True if footage under a licence may be used where `allowed` are the licences that may.

    Of "A OR B" one must be allowed, of "A AND B" both; "A WITH exception" is where A is, for an exception only adds
    permissions. None: no licence is stated.
    """
    names = {canonical_licence(name) for name in allowed}
    if licence is None:
        return UNSTATED in names
    if (expression := spdx(licence)) is None:
        return licence.strip() in names
    tokens = expression.replace("(", " ( ").replace(")", " ) ").split()
    return expression in names or _alternatives(tokens, names.__contains__)


def _alternatives(tokens: list[str], allows: Callable[[str], bool]) -> bool:
    """Consume `A OR B ...` from the front; AND binds closer."""
    holds = _joint(tokens, allows)
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        holds = _joint(tokens, allows) or holds
    return holds


def _joint(tokens: list[str], allows: Callable[[str], bool]) -> bool:
    holds = _single(tokens, allows)
    while tokens and tokens[0] == "AND":
        tokens.pop(0)
        holds = _single(tokens, allows) and holds
    return holds


def _single(tokens: list[str], allows: Callable[[str], bool]) -> bool:
    name = tokens.pop(0)
    if name == "(":
        holds = _alternatives(tokens, allows)
        tokens.pop(0)  # its closing one: the expression was checked
        return holds
    if tokens and tokens[0] == "WITH":
        exception = tokens[1]
        del tokens[:2]
        return allows(name) or allows(f"{name} WITH {exception}")
    return allows(name)

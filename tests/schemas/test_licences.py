"""Licences: SPDX expressions in one spelling, and the licences of which one must apply."""

import pytest

from heterodub.schemas.licences import canonical_licence, permitted, spdx, suggestion


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("cc-by-4.0", "CC-BY-4.0"),
        (" MIT ", "MIT"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("LicenseRef-BBC-agreement", "LicenseRef-BBC-agreement"),
        ("  BBC agreement ", "BBC agreement"),
        ("CC BY 4.0", "CC BY 4.0"),
    ],
)
def test_canonical_licence_spells_spdx_alike_and_keeps_other_text(text, stored):
    assert canonical_licence(text) == stored == canonical_licence(stored)


def test_suggestion_names_the_expression_that_is_meant():
    assert suggestion("CC BY 4.0") == "CC-BY-4.0"
    assert suggestion("Apache 2.0") == "Apache-2.0"
    assert spdx(suggestion("public domain"))
    assert suggestion("ask Peter") is None


@pytest.mark.parametrize(
    ("licence", "allowed", "may"),
    [
        ("MIT", ["MIT"], True),
        ("MIT", ["mit"], True),
        ("MIT", ["Apache-2.0"], False),
        ("MIT", [], False),
        (None, ["MIT"], False),
        (None, ["unstated"], True),
        ("MIT OR GPL-3.0-only", ["MIT"], True),
        ("MIT AND GPL-3.0-only", ["MIT"], False),
        ("MIT AND GPL-3.0-only", ["GPL-3.0-only", "MIT"], True),
        ("MIT AND (GPL-3.0-only OR CC0-1.0)", ["CC0-1.0", "MIT"], True),
        ("(MIT OR CC0-1.0) AND GPL-3.0-only", ["CC0-1.0", "MIT"], False),
        ("CC0-1.0 OR MIT AND GPL-3.0-only", ["CC0-1.0"], True),  # AND binds closer
        ("CC0-1.0 OR MIT AND GPL-3.0-only", ["MIT"], False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only"], True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only WITH classpath-exception-2.0"], True),
        ("GPL-2.0-only", ["GPL-2.0-only WITH Classpath-exception-2.0"], False),
        ("MIT OR GPL-3.0-only", ["mit or gpl-3.0-only"], True),
        ("BBC agreement", ["BBC agreement"], True),
        ("BBC agreement", ["MIT"], False),
        ("BBC", ["BBC agreement"], False),
    ],
)
def test_permitted_takes_one_alternative_and_all_parts(licence, allowed, may):
    assert permitted(licence, allowed) is may

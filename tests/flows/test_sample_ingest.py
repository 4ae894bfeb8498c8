"""The acceptance test: the whole embedded sample through the real command, held against its truth file by file."""

import json
from pathlib import Path

import pytest

from tasks.sample.check import Agreement, compare
from tasks.sample.make import make_sample
from tests.flows.heads import fingerprints

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ended(tmp_path_factory, heterodub) -> tuple[Agreement, dict, bool]:
    """How the sample agrees, the command's summary, and whether the footage is untouched."""
    folder: Path = tmp_path_factory.mktemp("sample")
    corpus = make_sample(folder / "sample")
    before = fingerprints(folder / "sample")
    ran = heterodub("ingest", corpus, "-w", folder / "workspace", "--json")
    assert ran.returncode == 0, ran.stderr
    agreement = compare(folder / "sample", str(folder / "workspace"))
    return agreement, json.loads(ran.stdout), fingerprints(folder / "sample") == before


def test_every_file_ends_as_its_truth_says(ended):
    agreement, summary, _ = ended
    assert summary["files"] == agreement.files
    assert agreement.disagreements == ()


def test_the_sample_is_released_with_all_splits_and_left_as_it_was(ended):
    _, summary, untouched = ended
    assert summary["release"] and summary["release_is_new"]
    assert not [note for note in summary["notes"] if "no test clips" in note or "no val clips" in note]
    assert summary["quarantined"] == 0
    assert untouched

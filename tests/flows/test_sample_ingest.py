"""The acceptance test: the whole embedded sample through the real command, held against its truth file by file."""

import json

import pytest

from tasks.sample.check import Agreement, compare
from tests.flows.heads import fingerprints

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ended(sample, tmp_path_factory, heterodub) -> tuple[Agreement, dict, bool]:
    """How the sample agrees, the command's summary, and whether the footage is untouched."""
    workspace = tmp_path_factory.mktemp("workspace")
    before = fingerprints(sample)
    ran = heterodub("ingest", sample / "corpus.toml", "-w", workspace, "--json")
    assert ran.returncode == 0, ran.stderr
    return compare(sample, str(workspace)), json.loads(ran.stdout), fingerprints(sample) == before


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

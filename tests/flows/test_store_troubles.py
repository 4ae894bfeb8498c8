"""A store that stumbles costs time, not rows; and so do two ingests at once. Moto's server behind a proxy of ours."""

import os
from collections import Counter

import pytest

from tests.flows.faulty_store import FAULTS, PASS, FaultyStore
from tests.flows.heads import contents, portable
from tests.flows.test_kills import finish, start

pytestmark = pytest.mark.long

SOURCE = "s3://footage/films"


@pytest.fixture
def store(bucket, monkeypatch):
    """In the way of every process that a test starts; this one goes past it."""
    faulty = FaultyStore(os.environ["AWS_ENDPOINT_URL"], seed=1)
    yield faulty
    faulty.close()


def ingest(source: str, config, workspace: str, store: FaultyStore):
    return start(source, config, workspace, AWS_ENDPOINT_URL=store.address, HETERODUB_RUN__WORKERS="1")


def test_flaky_store_loses_no_rows(store, config, finished):
    store.share = 0.25
    finish(ingest(SOURCE, config, "s3://lab/stumbling", store))
    assert set(store.met) == set(FAULTS), store.met
    actual, expected = portable("s3://lab/stumbling"), portable(finished.workspace)
    for table, rows in expected.items():
        assert actual[table] == rows, table


def test_concurrent_ingests_of_the_same_footage_leave_single_rows(store, config, finished):
    for process in [ingest(SOURCE, config, "s3://lab/twice", store) for _ in range(2)]:
        finish(process)
    actual, expected = portable("s3://lab/twice"), portable(finished.workspace)
    for table, rows in expected.items():
        assert actual[table] == rows, table
    assert set(store.met) == {PASS}


def test_concurrent_ingests_of_equal_bytes_under_two_names(store, bucket, config, finished):
    """One of the names is the original, whichever was first, and has the clips."""
    for name in ("head1.mkv", "head3.mp4"):
        bucket.copy(f"footage/films/{name}", f"footage/copies/copy-of-{name}")
    both = [ingest(source, config, "s3://lab/met", store) for source in (SOURCE, "s3://footage/copies")]
    for process in both:
        finish(process)
    actual, expected = contents("s3://lab/met"), contents(finished.workspace)
    states = Counter(row["state"] for row in actual["catalog"])
    assert states == {"measured": 6, "duplicate": 2}
    stands = {row["media_id"]: row["uri"] for row in actual["catalog"] if row["state"] == "measured"}
    assert len(stands) == 6
    assert {row["clip_id"] for row in actual["clips"]} == {row["clip_id"] for row in expected["clips"]}
    assert all(row["uri"] == stands[row["media_id"]] for row in actual["clips"])
    for stage in ("stage1", "stage2"):
        assert [row["clip_id"] for row in actual[stage]] == [row["clip_id"] for row in expected[stage]]

"""Counts of an ingest's summary, and the disputes that it names."""

from collections import Counter

from heterodub.schemas.policy import load_policy
from heterodub.tasks.ingestion.plan import IngestPlan
from heterodub.tasks.ingestion.summary import summarise
from heterodub.tasks.ingestion.tally import Tally
from heterodub.tasks.releases.publishing import PublishResult
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores import sample_rows as sample

DISPUTED = {"state": "quarantined", "reason": "labels_disagree", "clips": 0}


def summary(workspace: Workspace, tally: Tally) -> dict:
    return summarise(workspace, IngestPlan((), (), 5), tally, (), PublishResult(None, False), load_policy(), 1.0)


def test_files_clips_and_reasons_are_counted(tmp_path):
    workspace = Workspace.open(str(tmp_path / "workspace"), create=True)
    assert summary(workspace, Tally())["reasons"] == {}
    rows = [sample.catalog_row(number) for number in range(2)]
    rows += [sample.catalog_row(2, state="rejected", reason="no_face", clips=0), sample.catalog_row(3, **DISPUTED)]
    tables.append_rows(workspace, "catalog", sample.catalog(*rows))
    refused = {"stage1": False, "stage1_reasons": ["noisy", "music"], "stage2_reasons": []}
    both = {"stage1": False, "stage2": False, "stage1_reasons": ["noisy"], "stage2_reasons": ["blurred"]}
    clips = sample.clips(sample.clip_row(0), sample.clip_row(1, **refused), sample.clip_row(1, 1, **both))
    tables.append_rows(workspace, "clips", clips)
    done = summary(workspace, Tally())
    assert {name: done[name] for name in ("files", "measured", "rejected_files", "quarantined", "duplicates")} == {
        "files": 4, "measured": 2, "rejected_files": 1, "quarantined": 1, "duplicates": 0,
    }  # fmt: skip
    assert (done["clips"], done["stage1"], done["stage2"], done["both"], done["rejected"]) == (3, 1, 2, 1, 1)
    assert done["reasons"] == {
        "stage1: noisy": 2, "file: no_face": 1, "file: labels_disagree": 1, "stage1: music": 1, "stage2: blurred": 1,
    }  # fmt: skip
    assert (done["disputed"], done["state"]) == ([], "done")


def test_disputes_of_this_run_are_named(tmp_path):
    workspace = Workspace.open(str(tmp_path / "workspace"), create=True)
    rows = [sample.catalog_row(number, error=f"why {number}", **DISPUTED) for number in range(23)]
    tables.append_rows(workspace, "catalog", sample.catalog(*rows))
    done = summary(workspace, Tally(reasons=Counter({"file: labels_disagree": 23})))
    assert done["state"] == "partial"
    assert done["disputed"][0] == "/footage/0.mp4: why 0" and len(done["disputed"]) == 21
    assert done["disputed"][-1].startswith("and 3 more files")

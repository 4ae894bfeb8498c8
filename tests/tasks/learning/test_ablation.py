"""What footage for stage 2 alone is worth: both halves are judged on the same speakers, and only one is shown more."""

import pytest

from schemas.reasons import Stage
from schemas.settings import Settings
from schemas.translation import Stage2Settings
from tasks.learning.picture_evaluation import compare_picture_data
from tasks.learning.selection import find_release, select
from tests.tasks.learning.recorder import Recorder
from tests.tasks.learning.sitters import sitters


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    workspace = sitters(tmp_path_factory.mktemp("sitters") / "w", 16, 12)  # four of them are of the test split
    pace = {"steps": 1, "validate_every": 1, "save_every": 1}
    stage2 = Stage2Settings(profile="tiny", pace=pace, losses={"perceptual": 0, "critics_from": 9})
    settings = Settings(workspace=workspace.root, stage2=stage2)
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    return compare_picture_data(workspace, settings, selection, 2, 4, Recorder())


def test_both_parts_are_judged_on_the_same_speakers(compared):
    half, more = ({(row["clip_id"], row["system"]) for row in part.clips()} for part in (compared.half, compared.more))
    assert half == more
    assert len({row["speaker"] for row in compared.half.clips()}) == 12


def test_what_was_added_is_told_with_what_it_brought(compared):
    told = compared.summary()
    assert told["added_clips"] == told["added_speakers"] > 0
    assert told["half_clips"] > 0
    assert set(told["gains"]) == {"pd_lower", "pd5_lower", "pd_mouth", "pd5_mouth"}
    assert told["gains"]["pd_lower"]["mean"] is not None
    assert "more footage" in told["more"]["judged_on"]

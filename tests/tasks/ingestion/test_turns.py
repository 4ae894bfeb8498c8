"""Clips of a conversation on one screen: cut at the turn, and admitted with the face that speaks."""

import pytest

from heterodub.schemas.expectations import possible_range
from heterodub.schemas.policy import load_policy
from heterodub.schemas.signals import BY_NAME
from heterodub.tasks.quality.speaking import DECIDED
from tests.tasks.conversation import conversation
from tests.tasks.ingestion.conftest import analysed, job_of, settings_in


@pytest.fixture(scope="module")
def clips(commons, tested_demo, tmp_path_factory):
    """Rows of the conversation, by track and time, and the frame of the turn."""
    film, turn = conversation(commons, tested_demo)
    rows = analysed(job_of(film), settings_in(tmp_path_factory.mktemp("turns")), load_policy()).clips.to_pylist()
    return sorted(rows, key=lambda clip: (clip["track"], clip["start_frame"])), turn


def test_clips_of_both_faces_are_cut_at_the_turn(clips):
    rows, turn = clips
    assert [clip["track"] for clip in rows] == [0, 0, 1, 1]
    assert all(clip["start_frame"] == pytest.approx(turn, abs=8) for clip in rows[1::2])
    assert all(clip["start_frame"] + clip["frames"] == rows[1]["start_frame"] for clip in rows[::2])


def test_stage_1_takes_each_face_while_it_speaks(clips):
    rows, _ = clips
    assert all(clip["faces_share"] == 1.0 for clip in rows)
    low, high = possible_range(BY_NAME["speaking_margin"])  # the audit's: the one who listens is below the other
    assert min(clip["speaking_margin"] for clip in rows) < 0
    assert all(low <= clip["speaking_margin"] <= high for clip in rows)
    left_first = rows[0]["speaking_margin"] > 0
    speaks = [left_first, not left_first, not left_first, left_first]
    assert [clip["stage1"] for clip in rows] == speaks
    assert [clip["undecided_share"] == 0.0 for clip in rows] == speaks
    assert [clip["speaking_margin"] >= DECIDED for clip in rows] == speaks
    assert ["several_faces" in clip["stage1_reasons"] for clip in rows] == [not one for one in speaks]

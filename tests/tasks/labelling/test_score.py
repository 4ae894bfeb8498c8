"""Scores of a policy, worked out by hand."""

import math
from statistics import NormalDist

import pyarrow as pa
import pytest

from heterodub.model.evaluation.intervals import Interval
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.toml import parse_model
from heterodub.tasks.labelling.sampling import draw_clips
from heterodub.tasks.labelling.score import PolicyScore, score_policy
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage
from tests.tasks.labelling import made

COUNTS = {"good": 8, "noisy": 4, "dark": 2}
SAID = {
    # of good clips number 0 is refused for stage 2; of noisy ones 0 is kept; of dark ones 1 is noisy to a person
    **{("good", number): {Stage.STAGE1: True, Stage.STAGE2: "blurred" if number == 0 else True} for number in range(8)},
    **{("noisy", number): {Stage.STAGE1: number == 0 or "noisy", Stage.STAGE2: True} for number in range(4)},
    ("dark", 0): {Stage.STAGE1: True, Stage.STAGE2: "too_dark"},
    ("dark", 1): {Stage.STAGE1: "noisy", Stage.STAGE2: "too_dark"},
}


@pytest.fixture
def ws(tmp_path) -> Workspace:
    return made.make(tmp_path, COUNTS)


def say(ws: Workspace, clips, draw: str | None) -> None:
    for row in clips:
        kind = row["speaker"].rstrip("0123456789")
        made.answer(ws, row, SAID[kind, int(row["speaker"].removeprefix(kind))], draw)


def shares(score: PolicyScore) -> dict[tuple[str, str], tuple[int, int, float | None, float | None]]:
    return {
        (one.stage, one.verdict): (one.clips, one.agreed, one.precision.mean, one.recall.mean) for one in score.scores
    }


def test_scores_of_all_clips_by_hand(ws):
    say(ws, made.stored(ws), None)
    score = score_policy(ws, footage.POLICY)
    assert (score.drawn, score.clips, score.covered, score.by_hand) == (False, 14, 1.0, 28)
    assert shares(score) == {
        ("stage1", "admitted"): (10, 9, 9 / 10, 9 / 10),  # 8 good and 2 dark, of which 1 is refused; 1 noisy is kept
        ("stage1", "refused"): (4, 3, 3 / 4, 3 / 4),
        ("stage1", "noisy"): (4, 3, 3 / 4, 3 / 4),  # 4 named so by people, 1 of them dark
        ("stage2", "admitted"): (12, 11, 11 / 12, 1.0),
        ("stage2", "refused"): (2, 2, 1.0, 2 / 3),
        ("stage2", "blurred"): (0, 0, None, 0.0),
        ("stage2", "too_dark"): (2, 2, 1.0, 1.0),
    }


def test_drawn_clips_stand_for_their_strata(ws):
    drawn = draw_clips(ws, footage.POLICY, 6)
    say(ws, [clip.row for clip in drawn.clips], drawn.draw)
    others = [row for row in made.stored(ws) if row["clip_id"] not in {clip.clip_id for clip in drawn.clips}]
    say(ws, others[:2], None)
    score = score_policy(ws, footage.POLICY)
    assert (score.drawn, score.clips, score.covered, score.by_hand) == (True, 6, 1.0, 4)
    numbers = {clip.row["speaker"] for clip in drawn.clips}
    kept = ("noisy0" in numbers) / 2 * 4  # two of four noisy clips are drawn: each stands for two
    right = 8 + 1  # two good clips stand for four each, two dark ones for themselves; one of those is refused
    admitted = shares(score)["stage1", "admitted"]
    assert admitted[2:] == (pytest.approx(right / 10), pytest.approx(right / (right + kept)))
    refused = sum(4 for number in numbers if number == "good0")
    assert shares(score)["stage2", "admitted"][2] == pytest.approx((12 - refused) / 12)


def test_balanced_draw_is_weighted_back(ws):
    """It holds as many dark clips as good ones, of which there are four times as many: unweighted, 3 of 4 agree."""
    drawn = draw_clips(ws, footage.POLICY, 6)
    say(ws, [clip.row for clip in drawn.clips], drawn.draw)
    assert shares(score_policy(ws, footage.POLICY))["stage1", "admitted"][:3] == (4, 3, pytest.approx(9 / 10))


def test_partial_answers_and_later_draws_add_up(ws):
    first = draw_clips(ws, footage.POLICY, 6)
    say(ws, [clip.row for clip in first.clips[:4]], first.draw)
    made.answer(ws, first.clips[4].row, {Stage.STAGE2: True}, first.draw)  # one stage of two: no answer yet
    assert score_policy(ws, footage.POLICY).clips == 4
    second = draw_clips(ws, footage.POLICY, 10)
    say(ws, [clip.row for clip in second.clips], second.draw)
    whole = score_policy(ws, footage.POLICY)
    assert whole.clips == 14
    assert shares(whole)["stage1", "admitted"] == (10, 9, pytest.approx(9 / 10), pytest.approx(9 / 10))


def test_strata_without_an_answer_are_not_covered(ws):
    drawn = draw_clips(ws, footage.POLICY, 6)
    say(ws, [clip.row for clip in drawn.clips if "noisy" not in clip.row["speaker"]], drawn.draw)
    assert score_policy(ws, footage.POLICY).covered == pytest.approx(10 / 14)


def test_another_policy_is_scored_on_the_same_answers(ws):
    say(ws, made.stored(ws), None)
    deaf = parse_model(Policy, 'name = "deaf"\nversion = 1\n[stage1]\n[stage2]\n', "test")
    score = shares(score_policy(ws, deaf))
    assert score["stage1", "admitted"] == (14, 10, 10 / 14, 1.0)
    assert score["stage1", "noisy"] == (0, 0, None, 0.0)


def test_labels_do_not_change_the_verdict_that_they_measure(ws):
    say(ws, made.stored(ws), None)
    before = score_policy(ws, footage.POLICY)
    rows = [row | {"stage1_reasons": ["refused_by_person"], "stage1": False} for row in made.stored(ws)]
    tables.replace_rows(
        ws, "clips", type(tables.read(ws, "clips")).from_pylist(rows, tables.read(ws, "clips").schema), "clip_id"
    )
    assert score_policy(ws, footage.POLICY) == before


def test_interval_counts_speakers(ws):
    say(ws, made.stored(ws), None)
    precision = score_policy(ws, footage.POLICY).scores[0].precision
    z, n = NormalDist().inv_cdf(0.975), 10
    middle, reach = (0.9 + z**2 / 20) / (1 + z**2 / n), z / (1 + z**2 / n) * math.sqrt(0.09 / n + z**2 / 400)
    assert (precision.low, precision.high) == (pytest.approx(middle - reach), pytest.approx(min(1, middle + reach)))
    assert (precision.clips, precision.groups) == (10, 10)


def test_workspace_without_labels_has_no_score(ws):
    with pytest.raises(NotFoundError, match="label draw 50"):
        score_policy(ws, footage.POLICY)


def test_clips_of_one_person_under_several_names_are_one_trial(ws):
    say(ws, made.stored(ws), None)
    by_name = _admitted(ws)
    rows = made.stored(ws)
    people = ["p1" if row["speaker"].startswith("good") else f"of {row['speaker']}" for row in rows]
    tables.update_columns(ws, "clips", pa.table({"clip_id": [row["clip_id"] for row in rows], "person": people}))
    by_person = _admitted(ws)
    assert by_person.mean == by_name.mean
    assert by_person.low < by_name.low and by_person.high > by_name.high


def _admitted(ws: Workspace) -> Interval:
    return next(one.precision for one in score_policy(ws, footage.POLICY).scores if one.verdict == "admitted")

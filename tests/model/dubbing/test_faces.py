"""Choice of the face to dub, blend weights over time, and choice of the reference frames."""

import numpy as np
import pytest

from heterodub.model.dubbing.faces import Track, nth_face, reference_pictures, strength
from heterodub.model.features.landmarks import mouth_opening
from tests.model.talking import face, talk


def track(first=0, pictures=20, size=1.0, shot=0, tracked=None, yaw=None, occluded=None) -> Track:
    points = np.repeat((face() * size)[None], pictures, axis=0).astype(np.float32)
    seen = np.ones(pictures, bool) if tracked is None else np.asarray(tracked, bool)
    hidden = np.zeros(pictures, bool) if occluded is None else np.asarray(occluded, bool)
    turned = np.zeros(pictures, np.float32) if yaw is None else np.asarray(yaw, float)
    return Track(shot, first, points, seen, hidden, turned)


def test_faces_of_a_shot_are_numbered_by_size():
    small, large, other_shot = track(size=0.5), track(size=1.0), track(first=20, size=0.4, shot=1)
    assert nth_face([small, large, other_shot], 1) == [large, other_shot]
    assert nth_face([small, large, other_shot], 2) == [small]
    assert nth_face([small, large, other_shot], 3) == []


def test_face_that_was_lost_and_found_again_keeps_its_number():
    before, after, other = track(0, 20), track(40, 20), track(0, 60, size=0.6)
    assert nth_face([other, after, before], 1) == [before, after]
    assert nth_face([other, after, before], 2) == [other]


def test_lost_tail_of_a_track_is_no_part_of_it_and_gaps_are_bridged():
    seen = [True] * 10 + [False] * 3 + [True] * 4 + [False] * 3
    given = track(tracked=seen)
    given.points_TPXY[13:] += 6
    given.points_TPXY[10:13] = 999
    kept = given.without_lost_tail()
    assert len(kept.points_TPXY) == 17
    np.testing.assert_allclose(kept.points_TPXY[11] - kept.points_TPXY[9], 3.0, atol=1e-4)


def test_dubbing_fades_towards_lost_or_turned_faces_only():
    seen = [True] * 8 + [False] + [True] * 11
    yaw = np.zeros(20)
    yaw[19] = -70
    shown = strength(track(tracked=seen, yaw=yaw), max_yaw_deg=50, fade_frames=3)
    assert shown[:9].tolist() == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]
    assert shown[9:13].tolist() == [0.25, 0.5, 0.75, 1]
    assert shown[16:].tolist() == [0.75, 0.5, 0.25, 0]


def test_covered_mouth_is_not_dubbed_and_no_reference():
    hidden = [False] * 8 + [True] * 3 + [False] * 9
    given = track(occluded=hidden)
    shown = strength(given, max_yaw_deg=50, fade_frames=1)
    assert shown.tolist() == [1.0] * 7 + [0.5, 0, 0, 0, 0.5] + [1.0] * 8
    assert not np.isin(reference_pictures(given, 20), [8, 9, 10]).any()
    with pytest.raises(ValueError, match="visible in no picture"):
        reference_pictures(track(occluded=[True] * 20), 3)


def test_without_fade_the_weight_is_binary():
    seen = [True] * 5 + [False] + [True] * 5
    assert set(strength(track(pictures=11, tracked=seen), 50, 0).tolist()) == {0.0, 1.0}


def test_references_show_open_and_closed_mouths_and_straight_faces():
    points, tracked, _ = talk(60, seed=3)
    yaw = np.tile([40.0, 0.0, -40.0], 20)
    tracked[5] = False
    chosen = reference_pictures(Track(0, 0, points, tracked, ~tracked, yaw), 6)
    opening = mouth_opening(points)
    assert len(chosen) == len(set(chosen)) == 6
    assert 5 not in chosen
    assert (yaw[chosen] == 0).all()
    assert np.ptp(opening[chosen]) > 0.7 * np.ptp(opening[tracked & (yaw == 0)])


def test_many_references_show_each_opening_in_several_poses():
    points, tracked, _ = talk(240, seed=3)
    yaw = np.resize([30.0, 10.0, -10.0, -30.0, 0.0], 240)
    chosen = reference_pictures(Track(0, 0, points, tracked, ~tracked, yaw), 64)
    assert len(set(chosen)) == 64
    by_opening = chosen[np.argsort(mouth_opening(points)[chosen])]
    assert all(np.ptp(yaw[some]) >= 20 for some in np.split(by_opening, 16))


def test_fewer_pictures_than_references_are_all_taken():
    assert reference_pictures(track(pictures=3), 8).tolist() == [0, 1, 2]


def test_face_that_was_never_seen_shows_nothing():
    with pytest.raises(ValueError, match="visible in no picture"):
        reference_pictures(track(tracked=[False] * 20), 4)

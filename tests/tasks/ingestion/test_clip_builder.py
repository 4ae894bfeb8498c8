"""Cutting: where clips begin and end, what is lost, and where the crop windows stand."""

import numpy as np
import pytest

from heterodub.model.features.landmarks import box
from heterodub.model.features.timing import seconds_to_frames
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.tracker import FaceObservation
from heterodub.tasks.faces.window import cut_window
from heterodub.tasks.ingestion.clip_builder import MEASURE_EVERY_FRAMES, ClipBuilder, Draft, FrameContext
from heterodub.tasks.media.transitions import LOOK_AHEAD_S

RNG = np.random.default_rng(5)
FRAME = RNG.integers(0, 255, (120, 160, 3)).astype(np.uint8)
SHAPE = np.concatenate([[[0.0, 0.0], [40.0, 50.0]], RNG.uniform(0, 40, (214, 2))]).astype(np.float32)


def face(track: int = 0, *, tracked: bool = True, at: tuple[float, float] = (50, 30), scale: float = 1.0):
    points = SHAPE * scale + np.array(at, np.float32)
    return FaceObservation(track, points.astype(np.float32), 0.9, tracked, 1.0, 2.0, 3.0)


def picture(index: int, shot: int = 0) -> FrameContext:
    return FrameContext(index, FRAME, shot, True, False, np.full((2, 2), index, np.int64))


def build(frames: list[tuple[FrameContext, list[FaceObservation]]], **clips) -> tuple[list[Draft], ClipBuilder]:
    builder = ClipBuilder(ClipSettings(crop_px=64, **clips))
    drafts = [draft for shown, faces in frames for draft in builder.add(shown, faces)]
    return drafts + list(builder.end()), builder


def steady(count: int, start: int = 0, track: int = 0, shot: int = 0):
    return [(picture(index, shot), [face(track)]) for index in range(start, start + count)]


@pytest.mark.parametrize(
    ("count", "lengths"),
    [
        (1, []), (24, []), (25, [25]), (26, [26]), (249, [249]), (250, [250]), (251, [125, 126]), (274, [137, 137]),
        (275, [250, 25]), (276, [250, 26]), (500, [250, 250]), (510, [250, 130, 130]), (525, [250, 250, 25]),
        (2000, [250] * 8),
    ],
)  # fmt: skip
def test_clip_boundaries_by_track_length(count, lengths):
    drafts, builder = build(steady(count))
    assert [draft.frames for draft in drafts] == lengths
    starts = [draft.start_frame for draft in drafts]
    assert starts == [sum(lengths[:number]) for number in range(len(lengths))]
    assert sum(lengths) + builder.dropped_frames == count


@pytest.mark.parametrize("count", [25, 251, 275, 510])
def test_frames_of_clips_are_in_order(count):
    drafts, _ = build(steady(count, start=1000))
    numbers = [frame.grey[0, 0] for draft in drafts for frame in draft.content]
    assert numbers == list(range(1000, 1000 + count))
    assert all(draft.content[0].grey[0, 0] == draft.start_frame for draft in drafts)


@pytest.mark.parametrize("count", [25, 251, 510, 1003])
def test_looks_belong_to_their_clip_every_fifth_frame(count):
    drafts, _ = build(steady(count))
    frames = [frame for draft in drafts for frame in draft.content]
    looks = [number for number, frame in enumerate(frames) if frame.look is not None]
    gaps = np.diff(looks)
    assert looks[0] == 0
    assert gaps.max() <= MEASURE_EVERY_FRAMES


@pytest.mark.parametrize("seconds", [(1.0, 10.0), (2.0, 4.0), (0.4, 3.0)])
@pytest.mark.parametrize("count", range(1, 260, 23))
def test_clip_lengths_stay_in_bounds_and_lose_no_frame(seconds, count):
    least, most = seconds
    drafts, builder = build(steady(count), min_s=least, max_s=most)
    assert all(round(least * 25) <= draft.frames <= round(most * 25) for draft in drafts)
    assert sum(draft.frames for draft in drafts) + builder.dropped_frames == count
    assert builder.dropped_frames in (0, count)


def test_track_that_ends_is_a_clip_and_the_next_one_another():
    empty = [(picture(index), []) for index in range(30, 40)]
    drafts, builder = build([*steady(30), *empty, *steady(40, start=40, track=1), *steady(10, start=80, track=2)])
    assert [(d.track, d.start_frame, d.frames) for d in drafts] == [(0, 0, 30), (1, 40, 40)]
    assert builder.dropped_frames == 10


def test_cut_ends_every_clip_even_of_a_track_that_went_on():
    drafts, _ = build([*steady(30), *steady(30, start=30, shot=1)])
    assert [(d.shot, d.start_frame, d.frames) for d in drafts] == [(0, 0, 30), (1, 30, 30)]


def test_two_faces_are_two_clips_with_face_counts():
    far = {"at": (100.0, 60.0), "scale": 0.45}
    both = [(picture(index), [face(0), face(1, at=(100, 20), scale=0.9)]) for index in range(30)]
    small = [(picture(index), [face(0), face(2, **far)]) for index in range(30, 60)]
    drafts, _ = build([*both, *small])
    by_track = {draft.track: draft for draft in drafts}
    crowded = {track: [bool(frame.others) for frame in draft.content] for track, draft in by_track.items()}
    assert crowded == {0: [True] * 30 + [False] * 30, 1: [True] * 30, 2: [True] * 30}


def test_lost_face_is_not_counted_as_present():
    drafts, _ = build([(picture(index), [face(0), face(1, tracked=False)]) for index in range(30)])
    assert not any(frame.others for frame in drafts[0].content)


@pytest.mark.parametrize(
    ("good", "lost", "lengths", "dropped"),
    [(30, 5, [30], 0), (24, 9, [], 24), (250, 9, [250], 0), (251, 9, [125, 126], 0), (260, 20, [130, 130], 0)],
)
def test_lost_tail_of_a_track_is_trimmed(good, lost, lengths, dropped):
    frames = [(picture(index), [face(tracked=index < good)]) for index in range(good + lost)]
    drafts, builder = build(frames)
    assert [draft.frames for draft in drafts] == lengths
    assert builder.dropped_frames == dropped


def test_frames_lost_inside_a_track_stay():
    frames = [(picture(index), [face(tracked=index not in (10, 11))]) for index in range(40)]
    (draft,), _ = build(frames)
    assert draft.frames == 40
    assert [number for number, frame in enumerate(draft.content) if not frame.face.tracked] == [10, 11]


def test_track_that_was_never_good_is_dropped_without_a_clip():
    drafts, _ = build([(picture(index), [face(tracked=False)]) for index in range(60)])
    assert drafts == []


def test_builder_holds_only_the_open_clip():
    builder = ClipBuilder(ClipSettings(crop_px=64))
    held = []
    for index in range(1500):
        for _ in builder.add(picture(index), [face(0), face(1, at=(80, 40))]):
            pass
        held.append(max(draft.frames for draft in builder._open.values()))
        assert len(builder._open) == 2
    assert max(held) <= 250 + seconds_to_frames(LOOK_AHEAD_S)
    assert list(builder.end())
    assert not builder._open


def test_window_stays_for_small_movement():
    sway = [(picture(i), [face(at=(50 + 2 * np.sin(i), 30), scale=1 + 0.03 * np.sin(i / 3))]) for i in range(60)]
    (draft,), _ = build(sway)
    assert len({frame.box for frame in draft.content}) == 1


def test_window_follows_a_face_that_walks_and_holds_all_of_it():
    walk = [(picture(i), [face(at=(20 + i, 30))]) for i in range(60)]
    (draft,), _ = build(walk)
    assert 4 < len({frame.box for frame in draft.content}) < 30
    for frame in draft.content:
        left, top, side = frame.box
        face_left, face_top, face_right, face_bottom = box(frame.face.points)
        assert left <= face_left
        assert top <= face_top
        assert face_right <= left + side
        assert face_bottom <= top + side


def test_window_grows_with_the_face():
    zoom = [(picture(i), [face(at=(50, 30), scale=1 + i / 60)]) for i in range(60)]
    (draft,), _ = build(zoom)
    sides = [frame.box[2] for frame in draft.content]
    assert sides == sorted(sides)
    assert sides[-1] / sides[0] == pytest.approx(2, rel=0.13)
    assert {frame.crop.shape for frame in draft.content} == {(64, 64, 3)}


def test_window_is_centred_and_as_wide_as_the_margin_says():
    (draft,), _ = build(steady(30), crop_margin=1.6)
    left, top, side = draft.content[0].box
    assert side == round(1.6 * np.ptp(SHAPE, axis=0).max())
    assert (left + side / 2, top + side / 2) == pytest.approx((50 + 20, 30 + 25), abs=1)


@pytest.mark.parametrize(("scale", "side"), [(0.1, 16), (0.5, 32), (0.9, 64), (2.0, 64)])
def test_crops_are_not_blown_up_beyond_the_source(scale, side):
    (draft,), _ = build([(picture(i), [face(scale=scale)]) for i in range(30)])
    assert draft.crop_px == side
    assert draft.content[0].crop.shape == (side, side, 3)


@pytest.mark.parametrize(("scale", "is_held"), [(0.9, True), (2.0, False)])
def test_crop_is_that_of_its_window_however_it_is_held(scale, is_held):
    (draft,), _ = build([(picture(i), [face(scale=scale)]) for i in range(30)])
    frame = draft.content[0]
    assert (len(frame.square) == frame.box[2]) == is_held
    assert len(frame.square) <= 1.25 * draft.crop_px
    np.testing.assert_array_equal(frame.crop, cut_window(FRAME, frame.box, draft.crop_px))


def test_window_inside_the_picture_is_the_picture():
    np.testing.assert_array_equal(cut_window(FRAME, (10, 20, 64), 64), FRAME[20:84, 10:74])


@pytest.mark.parametrize(
    "window",
    [(-20, 10, 64), (10, -30, 64), (120, 10, 64), (10, 90, 64), (-30, -30, 64), (130, 100, 64), (-20, -40, 200)],
)
def test_beyond_the_border_its_edge_is_repeated(window):
    left, top, side = window
    crop = cut_window(FRAME, window, side)
    rows = np.clip(np.arange(top, top + side), 0, FRAME.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, FRAME.shape[1] - 1)
    np.testing.assert_array_equal(crop, FRAME[np.ix_(rows, columns)])


@pytest.mark.parametrize("window", [(500, 10, 64), (10, 500, 64), (-100, 10, 64), (10, -64, 64), (160, 0, 16)])
def test_window_wholly_outside_is_black(window):
    crop = cut_window(FRAME, window, 32)
    assert crop.shape == (32, 32, 3)
    assert not crop.any()


@pytest.mark.parametrize("side", [16, 32, 64, 256])
def test_window_is_resized_to_the_crop_size(side):
    flat = np.full_like(FRAME, (200, 100, 50))
    crop = cut_window(flat, (10, 10, 60), side)
    assert crop.shape == (side, side, 3)
    assert (crop == (200, 100, 50)).all()

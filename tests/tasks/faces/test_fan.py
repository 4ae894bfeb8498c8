"""The reference backend with networks of the right architecture and random weights: loading, batching, geometry."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from face_alignment.detection.sfd.net_s3fd import s3fd
from face_alignment.models import FAN

from heterodub.schemas.config.settings import Settings, WeightSettings
from heterodub.schemas.errors import WeightsMissingError
from heterodub.tasks.faces.backend import open_backend
from heterodub.tasks.faces.fan import FAN_FILE, S3FD_FILE, FanBackend, open_fan, region_of_face
from heterodub.tasks.faces.region import Region


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightSettings:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    torch.save(FAN(4).state_dict(), folder / "fan.pth")
    torch.save(s3fd().state_dict(), folder / "s3fd.pth")
    return WeightSettings(fan_2d=folder / "fan.pth", s3fd=folder / "s3fd.pth")


@pytest.fixture(scope="module")
def backend(weights: WeightSettings) -> FanBackend:
    return open_fan(weights)


@pytest.mark.long
@pytest.mark.slow
def test_points_of_a_mirrored_picture_are_mirrored(backend, astronaut):
    """The crop and its mirror image are one batch whose heat maps are averaged, so even random weights obey this."""
    head = np.ascontiguousarray(astronaut[:260, 90:350])
    there, score = backend._points(head, Region(128, 128, 256))
    back, same_score = backend._points(np.ascontiguousarray(head[:, ::-1]), Region(260 - 128, 128, 256))
    jaw, mirrored_jaw = there[:17], back[16::-1]
    np.testing.assert_allclose(mirrored_jaw, [260, 0] + jaw * [-1, 1], atol=1e-3)
    assert score == pytest.approx(same_score, abs=1e-5)
    assert 0 <= score <= 1


@pytest.mark.slow
def test_points_move_with_region_and_picture(backend, astronaut):
    head = np.ascontiguousarray(astronaut[:300, 60:360])
    moved = np.roll(head, (10, 20), axis=(0, 1))
    face, same = (backend.landmarks(p, Region(150 + x, 150 + y, 200)) for p, x, y in ((head, 0, 0), (moved, 20, 10)))
    assert (face.points.shape, face.points.dtype) == ((216, 2), np.float32)
    np.testing.assert_allclose(same.points - face.points, np.broadcast_to([20, 10], (216, 2)), atol=1e-2)
    assert same.next_region.side == pytest.approx(face.next_region.side, rel=1e-4)


@pytest.mark.slow
def test_backend_loads_and_calls_the_detector(backend):
    result = backend.detect(np.zeros((64, 64, 3), dtype=np.uint8))
    assert all(0 <= face.score <= 1 for face in result)
    assert backend.name == "face_alignment@1.5.0"


def test_regions_are_those_fan_was_trained_on():
    region = region_of_face((100, 200, 200, 295))
    assert (region.x, region.roll) == (150, 0)
    assert region.y == pytest.approx(247.5 - 0.12 * 95)
    assert region.side == pytest.approx(200)


def test_missing_weights_name_both_files_and_their_place(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsMissingError) as caught:
        open_backend(Settings(backend="face_alignment", weights=WeightSettings(fan_2d=Path("nowhere.pth"))))
    for part in (FAN_FILE, S3FD_FILE, str(tmp_path / "hub" / "checkpoints"), "fan_2d", "s3fd", "nowhere.pth"):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []  # nothing was downloaded


@pytest.mark.slow
def test_weights_are_read_from_the_torch_cache(tmp_path, monkeypatch, weights):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    shutil.copy(weights.fan_2d, cache / FAN_FILE)
    shutil.copy(weights.s3fd, cache / S3FD_FILE)
    assert open_fan(WeightSettings()).name.startswith("face_alignment@")


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x80\x02cos\nsystem\n."])
def test_other_files_are_refused_and_not_unpickled(tmp_path, content):
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(WeightsMissingError, match="cannot be used"):
        open_fan(WeightSettings(fan_2d=file, s3fd=file))


def test_weights_of_another_network_are_refused(tmp_path):
    file = tmp_path / "weights.pth"
    torch.save({"layer": torch.zeros(1)}, file)
    with pytest.raises(WeightsMissingError, match="cannot be used"):
        open_fan(WeightSettings(fan_2d=file, s3fd=file))

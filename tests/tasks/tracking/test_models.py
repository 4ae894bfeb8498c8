"""Generators in MLflow: logged, found, loaded again with the same predictions, refused when they are other ones."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from heterodub.model.checksums import CHECKSUMS, NEVER_LOGGED, verify_checksums, write_checksums
from heterodub.model.io import load_generator, save_model
from heterodub.model.stage1.inference import predict_clip
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.schemas.cards import CARD, GENERATOR, WEIGHTS, GeneratorCard
from heterodub.schemas.config.settings import Settings, TrackingSettings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.errors import ModelFileError, TrackingError
from heterodub.tasks.inspect.doctor import check_tracking
from heterodub.tasks.inspect.findings import Health
from heterodub.tasks.promotion.manual import fetch
from heterodub.tasks.stores.workspace import TRACKING, Workspace
from heterodub.tasks.tracking.kinds import LANDMARK_GENERATOR, made_face
from heterodub.tasks.tracking.models import Version, export_model, fetch_model, fetch_version, log_model
from heterodub.tasks.tracking.registry import named_version, version_called
from heterodub.tasks.tracking.runs import tracked_run
from heterodub.tasks.tracking.store import Tracking, open_tracking
from tests.tasks.tracking.conftest import with_tables
from tests.tasks.tracking.predictors import load_predictor


def make(folder: Path, seed: int = 0) -> tuple[LandmarkGenerator, GeneratorCard]:
    """A generator whose outputs are not all zero, as they are before training."""
    torch.manual_seed(seed)
    generator = LandmarkGenerator(Stage1Settings(preset="tiny").architecture).eval()
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    card = GeneratorCard(
        architecture=Stage1Settings(preset="tiny").architecture,
        backend="face_mesh_v1",
        release="r0",
        seed=seed,
        steps=7,
        gain=1.3,
    )
    save_model(folder, generator, card)
    return generator, card


def clip(frames: int = 30) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    mel = rng.normal(-5, 2, (4 * frames, 80)).astype(np.float32)
    face = made_face(frames) + rng.normal(0, 0.3, (frames, 216, 2)).astype(np.float32)
    return {"mel": mel, "landmarks": face, "reference": face[3:5].copy()}


def expected(generator: LandmarkGenerator, card: GeneratorCard) -> np.ndarray:
    return predict_clip(generator, **clip(), gain=card.gain)


def load_tracked_generator(store: Tracking, version: Version) -> tuple[LandmarkGenerator, GeneratorCard]:
    with tempfile.TemporaryDirectory() as scratch:
        return load_generator(fetch_version(store, version, Path(scratch)))


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "generator"


@pytest.fixture(scope="module")
def kept(tmp_path_factory, empty_database):
    """A store with a generator in it, which takes long to log: the store, what was logged, and a copy of its files."""
    base = tmp_path_factory.mktemp("kept")
    ws = with_tables(Workspace.open(str(base / "ws"), create=True), empty_database)
    store = open_tracking(TrackingSettings(), ws)
    made = make(base / "generator")
    with tracked_run(store, "train") as run:
        version = log_model(run, base / "generator", LANDMARK_GENERATOR)
    shutil.copytree(Path(ws.root) / TRACKING / "artifacts", base / "copy")
    return store, (made, version), base


@pytest.fixture
def logged(kept):
    """A store, and the generator in it; its files may be damaged, and are put back."""
    store, made, base = kept
    yield store, made
    files = base / "ws" / TRACKING / "artifacts"
    shutil.rmtree(files)
    shutil.copytree(base / "copy", files)


def weights_of(tracking: Tracking, version) -> Path:
    """The weights where a local store keeps them."""
    place = tracking.client.get_model_version_download_uri(version.name, str(version.number))
    return Path(place) / "artifacts" / "generator" / WEIGHTS


def test_logged_version_is_found_and_predicts_the_same(tracking, folder, tmp_path):
    made = make(folder)
    before = list(sys.path)
    with tracked_run(tracking, "train") as run:
        version = log_model(run, folder, LANDMARK_GENERATOR)
    assert np.ptp(expected(*made) - clip()["landmarks"]) > 1  # pixels: it does predict something

    generator, card = load_tracked_generator(tracking, version)
    assert card == made[1]
    np.testing.assert_array_equal(expected(generator, card), expected(*made))

    predictor = load_predictor(tracking, version, tmp_path / "fetched")
    np.testing.assert_array_equal(predictor.predict(clip()), expected(*made))
    assert sys.path == before

    tracking.client.set_registered_model_alias(GENERATOR, "champion", str(version.number))
    assert version.name == "landmark-generator"
    assert named_version(tracking, GENERATOR, str(version.number)) == version
    assert named_version(tracking, GENERATOR, "@champion") == version
    assert named_version(tracking, GENERATOR, run.run_id) == version
    assert version.run_id == run.run_id
    assert {version.tags["release"], version.tags["backend"], version.tags["run"]} == {"r0", "face_mesh_v1", run.run_id}
    assert len(version.tags["weights_sha256"]) == len(version.checksums) == 64
    outputs = tracking.client.get_run(run.run_id).outputs.model_outputs
    assert len(outputs) == 1

    export_model(tracking, version_called(tracking, f"{GENERATOR}@champion"), tmp_path / "exported")
    verify_checksums(tmp_path / "exported", version.checksums)

    for wanted in ("999", "@nobody", "f" * 32):
        with pytest.raises(TrackingError, match="landmark-generator"):
            named_version(tracking, GENERATOR, wanted)
    tracking.client.delete_model_version(GENERATOR, str(version.number))
    with pytest.raises(TrackingError):
        load_tracked_generator(tracking, version)


def test_equal_weights_are_registered_once(local, folder):
    make(folder)
    with tracked_run(local, "train") as run:
        first, second = log_model(run, folder, LANDMARK_GENERATOR), log_model(run, folder, LANDMARK_GENERATOR)
        make(folder, seed=1)
        third = log_model(run, folder, LANDMARK_GENERATOR)
    assert first == second
    assert third.number == first.number + 1
    assert named_version(local, GENERATOR, run.run_id) == third


def test_nothing_in_a_logged_model_is_a_pickle(logged, tmp_path):
    store, (_, version) = logged
    fetched = fetch_model(store, version, tmp_path / "fetched")
    files = [path for path in fetched.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert kinds <= {".py", ".json", ".yaml", ".yml", ".txt", ".safetensors", ".toml", ".typed", "", ".pyc"}
    assert not any(path.read_bytes().startswith(b"\x80") for path in files)
    assert ".pkl" not in (fetched / "MLmodel").read_text()
    required = (fetched / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in required} == {
        "mlflow", "torch", "numpy", "safetensors", "pydantic",
    }  # fmt: skip


FRESH = """
import json, sys
import numpy as np
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
given = dict(np.load(sys.argv[2]))
np.save(sys.argv[3], model.predict(given))
ours = {name: module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "heterodub"}
example = model.predict(model.input_example)
print(json.dumps({"ours": ours, "all": sorted({name.split(".")[0] for name in sys.modules}), "example": example.shape}))
"""


def test_fresh_process_without_the_project_can_predict(logged, tmp_path):
    store, (made, version) = logged
    export_model(store, version, tmp_path / "exported")
    np.savez(tmp_path / "clip.npz", **clip())
    words = [tmp_path / "exported", tmp_path / "clip.npz", tmp_path / "out.npy"]
    (tmp_path / "elsewhere").mkdir()
    fresh = subprocess.run(
        [sys.executable, "-I", "-c", FRESH, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=tmp_path / "elsewhere",
    )
    assert fresh.returncode == 0, fresh.stderr[-3000:]
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected(*made), atol=1e-3)  # pixels
    summary = json.loads(fresh.stdout)
    project = Path(__file__).parents[3]
    assert summary["ours"]["heterodub.model.stage1.network"].endswith("code/heterodub/model/stage1/network.py")
    assert not any(Path(file).is_relative_to(project) for file in summary["ours"].values())
    assert len({Path(file).parts[:4] for file in summary["ours"].values()}) == 1
    assert {name.split(".")[1] for name in summary["ours"] if "." in name} == {"model", "schemas"}
    assert summary["example"] == [5, 216, 2]
    foreign = {
        "librosa",
        "av",
        "cv2",
        "prefect",
        "dask",
        "deltalake",
        "lightning",
        "lightning_fabric",
    }
    assert not foreign & set(summary["all"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mel": np.zeros((7, 80), np.float32)}, "mel"),
        ({"mel": np.zeros((120, 79), np.float32)}, "mel|shape"),
        ({"landmarks": np.zeros((30, 215, 2), np.float32)}, "shape"),
        ({"mel": np.full((120, 80), np.nan, np.float32)}, "not finite"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(logged, tmp_path, change, says):
    store, (_, version) = logged
    predictor = load_predictor(store, version, tmp_path / "fetched")
    with pytest.raises(Exception, match=says):
        predictor.predict(clip() | change)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [flip, lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_damaged_file_is_refused(logged, tmp_path, name, damage):
    store, (_, version) = logged
    damage(weights_of(store, version).with_name(name))
    with pytest.raises(ModelFileError, match=name):
        load_tracked_generator(store, version)
    with pytest.raises(ModelFileError, match=name):
        load_predictor(store, version, tmp_path / "fetched")


def test_other_weights_with_matching_checksums_are_refused(logged, tmp_path):
    """Weights and checksums replaced together: only the tag in the registry differs."""
    store, (_, version) = logged
    inner = weights_of(store, version).parent
    make(tmp_path / "other", seed=9)
    shutil.copy(tmp_path / "other" / WEIGHTS, inner / WEIGHTS)
    write_checksums(inner)
    with pytest.raises(ModelFileError, match=f"{WEIGHTS} is not what was logged"):
        load_tracked_generator(store, version)
    write_checksums(inner.parents[1])
    with pytest.raises(ModelFileError, match=f"{CHECKSUMS} is not what was logged"):
        load_tracked_generator(store, version)


def plant(path: Path) -> Path:
    """Code at the end of a file, made if need be, that leaves a trace when it runs; the trace's path."""
    trace = path.with_name("ran")
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"\nimport pathlib; pathlib.Path({str(trace)!r}).touch()\n")
    return trace


def refused(store: Tracking, version: Version, folder: Path, says: str) -> None:
    """No loader accepts the version: neither the one for weights, nor the predictor, nor the export."""
    doors = (lambda: fetch_version(store, version, folder / "fetched"),
             lambda: load_predictor(store, version, folder / "loaded"),
             lambda: export_model(store, version, folder / "exported"))  # fmt: skip
    for door in doors:
        with pytest.raises(ModelFileError, match=says):
            door()
    assert not (folder / "exported").exists()


@pytest.mark.parametrize(
    "name",
    [
        "predictor.py",
        "code/heterodub/model/stage1/network.py",
        "code/added.py",
        "MLmodel",
        "conda.yaml",
        "requirements.txt",
    ],
)
def test_changed_and_added_files_are_refused_before_any_runs(logged, tmp_path, name):
    store, (_, version) = logged
    trace = plant(weights_of(store, version).parents[2] / name)
    refused(store, version, tmp_path, f"{name} is not what was logged")
    assert not trace.exists()


@pytest.mark.parametrize("name", ["requirements.txt", "code/heterodub/model/checksums.py", "input_example.json"])
def test_file_that_is_missing_is_refused(logged, tmp_path, name):
    store, (_, version) = logged
    (weights_of(store, version).parents[2] / name).unlink()
    refused(store, version, tmp_path, f"{name} is not what was logged")


def test_links_are_refused_and_not_followed(logged, tmp_path):
    """The same bytes through a link are other bytes whenever its owner likes; one upwards would be copied for ever."""
    store, (_, version) = logged
    whole = weights_of(store, version).parents[2]
    shutil.move(whole / "predictor.py", tmp_path / "predictor.py")
    (whole / "predictor.py").symlink_to(tmp_path / "predictor.py")
    refused(store, version, tmp_path, "predictor.py is a link")
    (whole / "predictor.py").unlink()
    shutil.move(tmp_path / "predictor.py", whole / "predictor.py")
    for name in ("code/up", "code/__pycache__"):
        (whole / name).symlink_to(whole)
        refused(store, version, tmp_path, f"{name} is a link")
        (whole / name).unlink()
    os.mkfifo(whole / "pipe")
    refused(store, version, tmp_path, "pipe is a link or a special file")


def test_tool_leftovers_in_a_store_are_ignored(logged, tmp_path):
    """A plain load from a local store writes there; planted byte code would run in place of its source."""
    store, (_, version) = logged
    whole = weights_of(store, version).parents[2]
    (whole / "registered_model_meta").write_text("model_name: x\n")
    (whole / "code" / "heterodub" / "model" / "__pycache__").mkdir()
    (whole / "code" / "heterodub" / "model" / "__pycache__" / "sealing.cpython-311.pyc").write_bytes(b"planted")
    fetched = fetch_model(store, version, tmp_path / "fetched")
    assert not [path for path in fetched.rglob("*") if path.name in NEVER_LOGGED]


def test_doctor_and_fetch_by_name(logged, tmp_path):
    store, (_, version) = logged
    store.client.set_registered_model_alias(GENERATOR, "champion", str(version.number))
    settings = Settings(workspace=str(store.place.folder.parent))
    result = fetch(settings, f"models:/{GENERATOR}@champion", tmp_path / "exported")
    assert result["checksums_sha256"] == version.checksums
    assert (tmp_path / "exported" / "MLmodel").exists()
    with pytest.raises(ModelFileError, match="exists already"):
        fetch(settings, GENERATOR, tmp_path / "exported")
    with pytest.raises(TrackingError, match="names no model"):
        fetch(settings, "../landmark-generator", tmp_path / "other")
    findings = {one.what: one for one in check_tracking(settings)}
    assert findings[f"{GENERATOR} 1, champion"].health is Health.OK
    plant(weights_of(store, version).parents[2] / "predictor.py")
    findings = {one.what: one for one in check_tracking(settings)}
    assert "predictor.py is not what was logged" in findings[f"{GENERATOR} 1, champion"].detail
    assert findings[f"{GENERATOR} 1, champion"].health is Health.PROBLEM


def test_plain_pyfunc_refuses_damage_too(logged):
    import mlflow

    store, (_, version) = logged
    weights = weights_of(store, version)
    flip(weights)
    with pytest.raises(Exception, match="damaged or swapped"):
        mlflow.pyfunc.load_model(str(weights.parents[2]))
    (weights.parent / CHECKSUMS).unlink()
    with pytest.raises(Exception, match="checksums"):
        mlflow.pyfunc.load_model(str(weights.parents[2]))


def test_missing_model_folder_is_reported(logged):
    store, (_, version) = logged
    shutil.rmtree(weights_of(store, version).parents[2])
    with pytest.raises(TrackingError, match="files of landmark-generator version 1"):
        load_tracked_generator(store, version)


def test_version_without_a_checksum_tag_is_not_trusted(local, folder):
    make(folder)
    with tracked_run(local, "train") as run:
        version = log_model(run, folder, LANDMARK_GENERATOR)
    local.client.delete_model_version_tag(GENERATOR, str(version.number), "checksums_sha256")
    with pytest.raises(ModelFileError, match="checksums_sha256"):
        load_tracked_generator(local, named_version(local, GENERATOR, str(version.number)))


def test_folder_without_a_generator_is_not_logged(local, tmp_path):
    with pytest.raises(ModelFileError, match="no landmark generator"), tracked_run(local, "train") as run:
        log_model(run, tmp_path, LANDMARK_GENERATOR)
    assert local.client.search_registered_models() == []


@pytest.mark.parametrize("speech_features", ["mel", "mel+senones"])
def test_example_is_a_face_that_the_model_takes(folder, speech_features):
    _, card = make(folder)
    shape = card.architecture.model_copy(update={"speech_features": speech_features})
    generator = LandmarkGenerator(shape)
    given = LANDMARK_GENERATOR.example(card.model_copy(update={"architecture": shape}))
    assert predict_clip(generator, **given, gain=card.gain).shape == given["landmarks"].shape == (5, 216, 2)

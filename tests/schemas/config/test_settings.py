"""Settings: where values come from, what is refused and in which words, and what changes an identity."""

import pickle
from pathlib import Path

import pytest
from pydantic import BaseModel

from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import SettingsError

SECTIONS = ("clips", "limits", "run", "stores", "splits", "weights", "tracking", "retrain")


@pytest.fixture(autouse=True)
def empty_surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HETERODUB_BACKEND", "HETERODUB_WORKSPACE", "HETERODUB_RUN__WORKERS", "HETERODUB_CLIPS__MIN_S"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def toml(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "settings.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def models() -> list[type[BaseModel]]:
    return [Settings, *(type(getattr(Settings(), name)) for name in SECTIONS)]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_field_is_documented(model):
    silent = [name for name, field in model.model_fields.items() if not field.description and name not in SECTIONS]
    assert silent == []


@pytest.mark.parametrize(
    ("text", "field", "value", "right"),
    [
        ("[clips]\nmin_s = 0", "clips.min_s", "0", "greater than 0"),
        ("[clips]\nmax_s = 61", "clips.max_s", "61", "less than or equal to 60"),
        ("[clips]\ncrop_px = 100", "clips.crop_px", "100", "multiple of 16"),
        ("[clips]\nmin_mesh_score = 1.5", "clips.min_mesh_score", "1.5", "less than or equal to 1"),
        ("[clips]\nmin_s = nan", "clips.min_s", "nan", "finite"),
        ("[stage1.architecture]\ntime_kernel = 4", "stage1.architecture.time_kernel", "4", "must be odd"),
        ("[baselines.architecture]\nside_px = 100", "baselines.architecture.side_px", "100", "multiple of 32"),
        ("[limits]\nattempts = 0", "limits.attempts", "0", "greater than or equal to 1"),
        ("[limits]\nmemory_limit_gib = 0.5", "limits.memory_limit_gib", "0.5", "greater than 0.5"),
        ("[run]\nworkers = 'many'", "run.workers", "'many'", "integer"),
        ("[splits]\ntest_share = 0.9", "splits.test_share", "0.9", "less than or equal to 0.5"),
        ("[tracking]\nuri = 'mlruns'", "tracking.uri", "'mlruns'", "pattern"),
        ("[tracking]\nuri = 'file:///mlruns'", "tracking.uri", "'file:///mlruns'", "pattern"),
        (
            "backend = 'dlib'",
            "backend",
            "'dlib'",
            "'face_mesh_v1r', 'face_mesh_v2' or 'face_alignment'",
        ),
    ],
)
def test_bad_value_is_named_with_its_field_and_what_would_be_right(toml, text, field, value, right):
    with pytest.raises(SettingsError) as error:
        load_settings(toml(text))
    assert f"{field} = {value}" in str(error.value)
    assert right in str(error.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[stage1]\nlinear_skip = true", "did you mean stage1.architecture.linear_skip?"),
        ("face_landmarker_v2 = 'x'", "did you mean weights.face_landmarker_v2?"),
        ("[run]\nworkrs = 2", "did you mean run.workers?"),
        ("xyzzy = 2", "xyzzy is not a known field"),
    ],
)
def test_unknown_field_names_the_one_that_is_meant(toml, text, meant):
    with pytest.raises(SettingsError) as error:
        load_settings(toml(text))
    assert str(error.value).endswith(f"({meant})" if "?" in meant else meant)


def test_all_bad_values_are_named_at_once(toml):
    with pytest.raises(SettingsError, match=r"clips\.min_s = .*limits\.attempts = "):
        load_settings(toml("[clips]\nmin_s = -1\n[limits]\nattempts = 99"))


@pytest.mark.parametrize(
    ("text", "field"), [("colour = 1", "colour"), ("[clips]\nmin_seconds = 1", "clips.min_seconds")]
)
def test_unknown_key_is_refused_by_name(toml, text, field):
    with pytest.raises(SettingsError, match=f"{field} is not a known field"):
        load_settings(toml(text))


def test_unknown_name_in_a_known_section_of_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("HETERODUB_RUN__WORKRS", "3")
    with pytest.raises(SettingsError, match=r"run\.workrs is not a known field"):
        load_settings()


@pytest.mark.parametrize(("least", "most"), [(1.0, 1.0), (5.0, 4.0), (5.0, 9.9)])
def test_lengths_that_would_give_clips_shorter_than_the_shortest_are_refused(toml, least, most):
    with pytest.raises(SettingsError, match=r"max_s.*twice.*min_s"):
        load_settings(toml(f"[clips]\nmin_s = {least}\nmax_s = {most}"))


def test_file_environment_and_override_each_beat_the_one_before(toml, monkeypatch):
    path = toml("workspace = 'from-file'\nbackend = 'face_mesh_v2'\n[run]\nworkers = 3\ncommit_files = 5")
    assert load_settings().workspace == "heterodub-workspace"
    filed = load_settings(path)
    assert (filed.workspace, filed.backend, filed.run.workers) == ("from-file", "face_mesh_v2", 3)

    monkeypatch.setenv("HETERODUB_WORKSPACE", "from-environment")
    monkeypatch.setenv("HETERODUB_RUN__WORKERS", "4")
    set_outside = load_settings(path)
    assert (set_outside.workspace, set_outside.run.workers) == ("from-environment", 4)
    assert (set_outside.backend, set_outside.run.commit_files) == ("face_mesh_v2", 5)

    result = load_settings(path, workspace="override", backend=None, run={"workers": 7})
    assert (result.workspace, result.backend) == ("override", "face_mesh_v2")
    assert (result.run.workers, result.run.commit_files) == (7, 5)


def test_heterodub_toml_in_the_working_folder_is_read(tmp_path):
    (tmp_path / "heterodub.toml").write_text("workspace = 'here'")
    assert load_settings().workspace == "here"


ADDRESSES = """
workspace = "s3://theirs/space"
[run]
dask = "theirs:8786"
[tracking]
uri = "http://theirs:5000"
[retrain]
corpora = ["/data/mine.toml", "s3://theirs/corpus.toml"]
"""


def test_heterodub_toml_that_was_only_found_sets_no_addresses(tmp_path, monkeypatch):
    """It lies in the working folder, which may be untrusted footage."""
    (tmp_path / "heterodub.toml").write_text(ADDRESSES)
    with pytest.raises(SettingsError, match=r"retrain\.corpora, run\.dask, tracking\.uri, workspace.*--config"):
        load_settings()
    assert load_settings(tmp_path / "heterodub.toml").run.dask == "theirs:8786"
    monkeypatch.setenv("HETERODUB_CONFIG", str(tmp_path / "heterodub.toml"))
    assert load_settings().tracking.uri == "http://theirs:5000"


@pytest.mark.parametrize(
    "line", ["[provenance]\nsign = false", '[provenance]\ntrust_anchors = "a.pem"', "[limits]\ntrust_footage = true"]
)
def test_heterodub_toml_that_was_only_found_says_nothing_of_trust(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heterodub.toml").write_text(line)
    with pytest.raises(SettingsError, match=r"(provenance|limits)\.\w+, but was only found.*says nothing of trust"):
        load_settings()
    load_settings("heterodub.toml")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.toml is not there"):
        load_settings(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("content", [b"workspace = ", b"workspace = '\xff'"])
def test_file_that_is_not_toml_is_named(tmp_path, content):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load_settings(path)


def test_settings_pickle_and_hash():
    settings = Settings(workspace="somewhere", run={"workers": 2})
    again = pickle.loads(pickle.dumps(settings))
    assert type(again) is Settings
    assert again == settings
    assert hash(again) == hash(settings)
    assert hash(load_settings(workspace="somewhere", run={"workers": 2})) == hash(settings)


@pytest.mark.parametrize(
    ("change", "extractor", "release"),
    [
        ({"clips": {"min_s": 1.5}}, True, True),
        ({"clips": {"crop_quality": 90}}, True, True),
        ({"backend": "face_mesh_v2"}, True, True),
        ({"splits": {"val_share": 0.2}}, False, True),
        ({"run": {"workers": 99}}, False, False),
        ({"limits": {"time_limit_s": 7}}, False, False),
        ({"workspace": "elsewhere"}, False, False),
        ({"tracking": {"uri": "http://host:5000"}}, False, False),
    ],
)
def test_extractor_and_release_hash_their_settings(change, extractor, release):
    before, after = Settings(), Settings(**change)
    assert (before.extractor != after.extractor) is extractor
    assert (before.hash != after.hash) is release


def test_every_clip_setting_counts_for_the_extractor():
    other = {"max_faces": 5, "detect_every_frames": 13, "min_mesh_score": 0.6, "cut_threshold": 4.0, "max_s": 9.0}
    other |= {"min_s": 2.0, "crop_px": 128, "crop_margin": 1.5, "crop_quality": 80, "dnsmos_excerpt_s": 0.0}
    other |= {"dnsmos_below_snr_db": 20.0, "remeasure": 1}
    assert set(other) == set(type(Settings().clips).model_fields)
    names = {Settings(clips={name: value}).extractor for name, value in other.items()}
    assert len(names) == len(other)
    assert Settings().extractor not in names


@pytest.mark.parametrize("name", ["HETERODUB_RUN_WORKERS", "HETERODUB_WORKSPAC", "HETERODUB_BACKENDS__X"])
def test_variable_that_sets_nothing_is_named(monkeypatch, name):
    monkeypatch.setenv(name, "8")
    with pytest.raises(SettingsError, match=rf"{name} sets nothing.*HETERODUB_RUN__WORKERS"):
        load_settings()


def test_variable_for_the_tests_is_no_setting(monkeypatch):
    monkeypatch.setenv("HETERODUB_CORPORA", "/corpora")
    load_settings()


def test_relative_paths_are_taken_from_here_before_settings_travel(tmp_path):
    rooted = Settings(workspace="space", weights={"fan_2d": "models/fan.pth"}).rooted()
    assert (rooted.workspace, rooted.weights.fan_2d) == (str(tmp_path / "space"), tmp_path / "models" / "fan.pth")
    assert rooted.weights.s3fd is None
    assert Settings(workspace="s3://lab/space").rooted().workspace == "s3://lab/space"


def test_secret_in_an_address_is_in_no_error(toml, monkeypatch):
    for text in ("workspace = 's3://me:hunter2/x@lab'", "[tracking]\nuri = 'postgres://me:hunter2@host/db'"):
        with pytest.raises(SettingsError) as excinfo:
            load_settings(toml(text))
        assert "hunter2" not in str(excinfo.value)

"""A manifest that is given again: finished rows are skipped, changed ones are dubbed, and no record is trusted beyond
the files it speaks of.
"""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from heterodub.model.io import save_model
from heterodub.model.stage1.network import LandmarkGenerator
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.tasks.dubbing.batch import dub_by
from heterodub.tasks.dubbing.jobs import ModelPaths, read_jobs
from heterodub.tasks.dubbing.resume import dub_key, finished
from heterodub.tasks.monitoring.progress import ProgressSink
from tests.flows.heads import voice, write_head
from tests.tasks.dubbing.conftest import write_wav

NAMES = ("same", "other speech", "gone", "other time", "other length")


@pytest.fixture(scope="module")
def run(dubber, generator_folder, settings):
    """run(folder): outcome of each row by its name ("dubbed", "skipped" or an error), and the results."""

    def work(folder, resume=True, names=NAMES, lengths=None):
        rows = [f"head.mp4,{name}.wav,{name}.mp4,{(lengths or {}).get(name, '')}" for name in names]
        (folder / "jobs.csv").write_text("\n".join(["video,speech,out,length", *rows]))
        jobs = read_jobs(folder / "jobs.csv")
        results = dub_by(dubber, jobs, str(generator_folder), "warp", settings, ProgressSink(), resume)
        ended = [one.error or ("skipped" if one.skipped else "dubbed") for one in results]
        return dict(zip(names, ended, strict=True)), results

    return work


@pytest.fixture(scope="module")
def dubbed(run, tmp_path_factory):
    """A folder with a manifest whose rows were all dubbed."""
    folder = tmp_path_factory.mktemp("resume")
    write_head(folder / "head.mp4", 0, 8)
    for name in NAMES:
        write_wav(folder / f"{name}.wav", voice(1, 0.2).samples)
    assert set(run(folder)[0].values()) == {"dubbed"}
    return folder


@pytest.fixture
def place(dubbed, tmp_path):
    """A copy, which the test may change; no record names a folder."""
    return shutil.copytree(dubbed, tmp_path / "place")


def outputs(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("*.mp4")}


def test_finished_rows_are_skipped_with_what_was_said_of_them(place, run):
    before = outputs(place)
    ended, results = run(place)
    assert set(ended.values()) == {"skipped"}
    assert outputs(place) == before
    summary = results[0].summary()
    assert (summary["skipped"], summary["frames"], summary["dubbed"]) == (True, 8, 8)
    assert (summary["out"], summary["error"]) == (str(place / "same.mp4"), None)
    assert any("silence follows it" in note for note in summary["notes"])


def test_changed_rows_are_dubbed_and_the_others_skipped(place, run):
    write_wav(place / "other speech.wav", voice(3, 0.2).samples)
    (place / "gone.mp4").unlink()
    os.utime(place / "other time.wav", (1, 1))
    os.utime(place / "other time.mp4", (1, 1))
    shutil.copy(place / "same.wav", place / "new row.wav")
    names = ("new row", *reversed(NAMES), "missing")
    ended, _ = run(place, names=names, lengths={"other length": "speech"})
    assert "missing.wav" in ended.pop("missing")
    kept = {"same", "other time"}
    assert ended == {name: "skipped" if name in kept else "dubbed" for name in names[:-1]}
    again, _ = run(place, names=names[:-1], lengths={"other length": "speech"})
    assert set(again.values()) == {"skipped"}


def _cut(out):
    os.truncate(out, out.stat().st_size * 3 // 4)


def _longer(out):
    out.write_bytes(out.read_bytes() + b"\0")


def _edited(out):
    out.write_bytes(out.read_bytes()[:-1] + b"\x7f")


@pytest.mark.parametrize("change", [_cut, _longer, _edited, Path.unlink])
def test_output_that_is_not_as_it_was_made_is_not_finished(change, place):
    out = place / "same.mp4"
    key = json.loads((place / ".same.mp4.heterodub.json").read_text())["key"]
    assert finished(out, key) is not None
    change(out)
    assert finished(out, key) is None


def test_no_resume_dubs_finished_rows_again(place, run):
    before = outputs(place)["same.mp4"]
    assert run(place, resume=False, names=NAMES[:1])[0] == {"same": "dubbed"}
    after = outputs(place)["same.mp4"]
    assert after[0] == before[0] and after[1] != before[1]


@pytest.fixture(scope="module")
def base(dubbed, generator_folder, settings):
    job = DubJob(video=str(dubbed / "head.mp4"), speech=str(dubbed / "same.wav"), out=str(dubbed / "same.mp4"))
    return job, ModelPaths(generator_folder, None, ("a generator", "warp")), settings


@pytest.mark.parametrize(
    ("changes", "section", "is_same"),
    [
        ({"face": 2}, {}, False),
        ({"length": "loop"}, {}, False),
        ({"appearance_from": "head.mp4"}, {}, False),
        ({"finetune": 1.0}, {}, False),
        ({"out": "elsewhere/same.mp4"}, {}, True),
        ({"out": "same.mkv"}, {}, False),
        ({}, {"dub": {"fade_frames": 9}}, False),
        ({}, {"clips": {"crop_margin": 2.0}}, False),
        ({}, {"backend": "face_mesh_v2"}, False),
        ({}, {"dub": {"silence_s": 9.0, "chunk_frames": 9}}, True),
        ({}, {"workspace": "elsewhere", "device": "cpu", "run": {"workers": 1}}, True),
    ],
)
def test_key_follows_from_what_changes_the_output_and_nothing_else(changes, section, is_same, base, dubbed):
    job, result, settings = base
    if "appearance_from" in changes:
        changes = {"appearance_from": str(dubbed / changes["appearance_from"])}
    dump = settings.model_dump()
    merged = {name: dump[name] | more if isinstance(more, dict) else more for name, more in section.items()}
    changed = Settings.model_validate(dump | merged)
    assert (dub_key(job.model_copy(update=changes), result, changed) == dub_key(*base)) is is_same


def test_key_follows_from_the_weights_of_the_models(base, place, models):
    job, found, settings = base
    torch.manual_seed(9)
    save_model(place / "generator", LandmarkGenerator(models.card.architecture), models.card)
    assert dub_key(job, replace(found, generator=place / "generator"), settings) != dub_key(*base)


def test_key_needs_inputs_that_can_be_read(base):
    job, result, settings = base
    with pytest.raises(MediaRefusedError):
        dub_key(job.model_copy(update={"speech": "/no/such/file.wav"}), result, settings)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": "k", "sha256": 1, "dubbed": {}}', b"\xff" * 99, None])
def test_damaged_record_is_as_good_as_none(content, place):
    record = place / ".same.mp4.heterodub.json"
    record.unlink()
    if content is None:
        os.mkfifo(record)
    else:
        record.write_bytes(content)
    assert finished(place / "same.mp4", "k") is None

"""Files about clips are taken out of runs, on either kind of store, and others stay; lineage outlives what it names."""

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from heterodub.tasks.tracking.champions import set_aliases
from heterodub.tasks.tracking.deletion import delete_version, erase_about
from heterodub.tasks.tracking.dubs import film_name, log_dub
from heterodub.tasks.tracking.kinds import LANDMARK_GENERATOR
from heterodub.tasks.tracking.lineage import keep_lineage, lineage_of
from heterodub.tasks.tracking.models import Version, log_model
from heterodub.tasks.tracking.registry import PREVIOUS, aliased, runs_of_benchmarks, versions
from heterodub.tasks.tracking.runs import tracked_run
from tests.tasks.tracking.test_models import make

CLIP, OTHER = "0123456789abcdef", "fedcba9876543210"


def test_files_about_a_clip_are_erased_and_others_stay(tracking):
    names = [f"val/film_{CLIP[:12]}.mp4", f"val/film_{OTHER[:12]}.mp4", "promotion/comparison.html", "notes.txt"]
    with tracked_run(tracking, "training") as run:
        run.tags({"benchmark": f"b of {tracking.experiment_id}"})
        for name in names:
            run.content(name, "somebody")
    with tracked_run(tracking, "another") as another:
        another.content("promotion/comparison.html", "on other clips")
    runs = runs_of_benchmarks(tracking, [f"b of {tracking.experiment_id}"])
    assert run.run_id in runs and another.run_id not in runs
    assert erase_about(tracking, [CLIP], ["promotion/comparison.html"], runs) == 2
    left = [*tracking.client.list_artifacts(run.run_id), *tracking.client.list_artifacts(run.run_id, "val")]
    assert {one.path for one in left if not one.is_dir} == {names[1], names[3]}
    assert len(tracking.client.list_artifacts(another.run_id, "promotion")) == 1
    assert erase_about(tracking, [CLIP], ["promotion/comparison.html"], runs) == 0


def test_dub_of_a_file_is_erased_with_it(tracking, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"a film")
    figures = dict.fromkeys(("frames", "dubbed", "passed_through", "covered", "seconds", "speech_cut_s"), 1)
    summary = {"out": str(tmp_path / "out.mp4"), "generator": "g 1", "translator": "warp", "realtime_factor": 2.0}
    media = ["a0b1" * 16, "c2d3" * 16]  # no other test's, for the server is shared
    inputs = {"video": media[:1], "speech": media[1:]}
    runs = [log_dub(tracking, summary | figures, inputs, longest_mib) for longest_mib in (1, 0)]
    films = [[file.path for file in tracking.client.list_artifacts(run, "dub")] for run in runs]
    assert films == [[film_name(media, ".mp4")], []]  # the second is larger than may be kept
    run = tracking.client.get_run(runs[0])
    assert run.info.experiment_id == tracking.of("dubbing").experiment_id
    assert (run.data.tags["speech_media"], run.data.metrics["realtime_factor"]) == (media[1], 2.0)
    assert erase_about(tracking, ["1" * 64], [], ()) == 0
    assert erase_about(tracking, [media[1]], [], ()) == 1  # who lends the speech is gone from it, too
    assert tracking.client.list_artifacts(runs[0], "dub") == []


def test_dub_of_many_files_has_a_name_that_file_systems_take_and_is_erased_with_each(tracking, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"a film")
    figures = dict.fromkeys(("frames", "dubbed", "passed_through", "covered", "seconds", "speech_cut_s"), 1)
    summary = {"out": str(tmp_path / "out.mp4"), "generator": "g 1", "translator": "warp", "realtime_factor": 2.0}
    media = [f"{number:02}e{number:02}f" * 10 for number in range(40)]
    for erased in (media[0], media[20], media[39]):
        log_dub(tracking, summary | figures, {"video": media[:1], "speech": media[1:]}, 1)
        assert erase_about(tracking, [erased], [], ()) == 1
    assert max(len(part) for part in film_name(media, ".acceptance.html").split("/")) <= 255


def test_version_is_deleted_with_its_files(tracking, tmp_path):
    make(tmp_path / "generator")
    with tracked_run(tracking, "training") as run:
        version = log_model(run, tmp_path / "generator", LANDMARK_GENERATOR)
    set_aliases(tracking, version.name, {PREVIOUS: version.number})
    repository = get_artifact_repository(version.source, tracking_uri=tracking.place.uri)
    assert repository.list_artifacts()
    assert version.model_id in models_of(tracking)
    delete_version(tracking, version)
    assert repository.list_artifacts() == []
    assert version not in versions(tracking, version.name)
    assert aliased(tracking, version.name, PREVIOUS) is None
    assert version.model_id not in models_of(tracking)  # none that MLflow shows as READY is without files


def models_of(tracking) -> set[str]:
    """Ids of the LoggedModels of the experiment, without deleted ones."""
    return {model.model_id for model in tracking.client.search_logged_models([tracking.experiment_id])}


def test_lineage_round_trip_and_missing_lineage(tracking):
    with tracked_run(tracking, "training") as run:
        bare = Version("landmark-generator", 1, run.run_id, "", {})
        assert lineage_of(tracking, bare) is None
        keep_lineage(run, [("c1", "m1", "train"), ("c2", "m1", "val")])
    assert [row["clip_id"] for row in lineage_of(tracking, bare)] == ["c1", "c2"]
    assert {row["media_id"] for row in lineage_of(tracking, bare)} == {"m1"}
    assert lineage_of(tracking, Version("landmark-generator", 1, "0" * 32, "", {})) is None

"""A film of several people, dubbed by turns: each by their own speech, everyone else as filmed."""

import av
import numpy as np
import pytest
from pydantic import ValidationError

from heterodub.model.evaluation.syncnet import SyncScorer
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.errors import DubbingError, SourceError
from heterodub.tasks.dubbing.compositing import composite
from heterodub.tasks.dubbing.dub import dub
from heterodub.tasks.dubbing.inputs import input_faults
from heterodub.tasks.dubbing.jobs import ModelPaths, inputs_of, read_jobs, rooted
from heterodub.tasks.dubbing.resume import dub_key
from heterodub.tasks.dubbing.turns import place_of, place_text
from heterodub.tasks.evaluation.dubbing import evaluate_dubbing
from heterodub.tasks.monitoring.progress import ProgressSink
from tests.flows.heads import voice
from tests.tasks.dubbing.conftest import write_wav
from tests.tasks.dubbing.interviews import TURNS, samples_of, write_interview


@pytest.fixture(scope="module")
def interview(tmp_path_factory):
    """The film, its cut list, and a speech of each."""
    folder = tmp_path_factory.mktemp("interview")
    write_interview(folder / "film.mp4")
    (folder / "turns.csv").write_text(TURNS)
    for seed, name in enumerate(("anna", "ben"), start=1):
        write_wav(folder / f"{name}.wav", voice(seed, 3.2).samples)
    return folder


def job_of(folder, out, **more):
    fields = {"turns": f"{folder}/turns.csv", "speeches": f"ANNA={folder}/anna.wav;BEN={folder}/ben.wav"}
    return DubJob.model_validate({"video": f"{folder}/film.mp4", "out": str(out)} | fields | more)


@pytest.fixture(scope="module")
def made(interview, models, backend, settings, tmp_path_factory):
    """The result, and the frames that went to the encoder."""
    taken = []

    def watched(*given):
        for one in composite(*given):
            taken.append(one.frame.to_ndarray())
            yield one

    out = tmp_path_factory.mktemp("made") / "out.mp4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("heterodub.tasks.dubbing.dub.composite", watched)
        result = dub(job_of(interview, out), models, backend, settings)
    return result, taken


def changed(interview, frames):
    """Flags of frames whose left and right half was changed, (N, 2)."""
    before = samples_of(interview / "film.mp4")
    rows = [after[:320] != same[:320] for after, same in zip(frames, before, strict=True)]
    return np.array([(row[:, :320].any(), row[:, 320:].any()) for row in rows])


def test_each_person_is_dubbed_in_their_turns_and_nobody_else(interview, made):
    left, right = changed(interview, made[1]).T
    assert left[6:24].all() and not right[6:24].any()  # ANNA's turn, both in sight
    assert not left[25:30].any() and not right[25:30].any()  # between the turns
    assert (left | right)[31:39].all()  # BEN alone, in the middle of the picture
    assert not (left | right)[40:60].any()  # ANNA speaks while BEN is seen, then nobody is
    assert right[61:74].all() and not left[60:65].any()
    assert left[66:76].all()  # at the end both at once
    assert not left[78:].any() and not right[75:].any()


def test_result_counts_frames_and_names_who_is_not_seen(made):
    result = made[0]
    assert result.frames == 80
    assert 40 < result.dubbed < 60
    assert "ANNA is heard and not seen in 1 of 3 turns (rows 3)" in result.notes


def test_each_turn_is_heard_and_the_film_around(interview, made):
    rate = 16_000
    anna, ben, film = (voice(seed, 3.2).samples[0] for seed in (1, 2, 9))
    with av.open(made[0].out) as out:
        frames = list(out.decode(audio=0))
        assert frames[0].sample_rate == rate
        heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])[1024:]

    def likeness(said, first_s, stop_s):
        span = slice(round(first_s * rate), round(stop_s * rate))
        around = range(-1200, 1200, 8)
        return max(np.corrcoef(np.roll(heard, shift)[span], said[span])[0, 1] for shift in around)

    assert likeness(anna, 0.25, 0.95) > 0.8 > likeness(film, 0.25, 0.95)
    assert likeness(ben, 1.25, 1.55) > 0.8
    assert likeness(film, 2.02, 2.38) > 0.8


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1.0,0.5,ANNA,left", "row 1: it ends at 0.5 s, not after its start at 1 s"),
        ("x,0.5,ANNA,left", "row 1: 'x' is no time"),
        ("0,1,ANNA,above", "row 1: face 'above' is no place"),
        ("0,1,ANNA,left\n0.5,2,ANNA,left", "rows 1 and 2: ANNA has two turns at 0.5 s"),
        ("0,1,CARL,left", "--speech names ANNA, who has no turn; the list has CARL"),
        ("0,1,ANNA,\n1,2,BEN,right", "nothing says which face is ANNA's"),
        ("0,1,AN NA,left", "person 'AN NA'"),
        ("", "it names no turn"),
        (f"{'9' * 5000}:00:01,1,ANNA,left", "is no time"),
        (f"0,{'9' * 400},ANNA,left", "is no time"),
        (f'0,1,ANNA,"left\n{"0,1,ANNA,left" * 12_000}', "field larger than field limit"),
    ],
)
def test_bad_rows_are_named(interview, models, backend, settings, tmp_path, rows, words):
    (tmp_path / "turns.csv").write_text(f"start,end,person,face\n{rows}\n")
    asked = job_of(interview, tmp_path / "out.mp4", turns=str(tmp_path / "turns.csv"))
    with pytest.raises(SourceError, match=words.replace("(", r"\(")):
        dub(asked, models, backend, settings)


def test_nobody_at_the_place_is_an_error(interview, models, backend, settings, tmp_path):
    (tmp_path / "turns.csv").write_text("start,end,person,face\n2.0,2.4,ANNA,left\n")
    speeches = f"ANNA={interview}/anna.wav"
    asked = job_of(interview, tmp_path / "out.mp4", turns=str(tmp_path / "turns.csv"), speeches=speeches)
    with pytest.raises(DubbingError, match="no face in any turn is that of its person"):
        dub(asked, models, backend, settings)


def test_all_faults_of_a_job_are_found_before_work(interview, settings, tmp_path):
    (tmp_path / "turns.csv").write_text("start,end,person,face\n0.2,1.0,ANNA,left\n2.0,9.5,BEN,right\n")
    fields = {"turns": f"{tmp_path}/turns.csv", "people": f"ANNA={tmp_path}/nobody.png"}
    asked = job_of(
        interview, tmp_path / "out.mp4", speeches=f"ANNA={tmp_path}/none.wav;BEN={interview}/ben.wav", **fields
    )
    said = input_faults(asked, settings.limits)
    assert [one.rpartition("/")[2] for one in said] == [
        "none.wav: there is no such file",
        "nobody.png: there is no such file",
        "turns.csv: row 2: it ends at 9.5 s, the film is 3.20 s long",
    ]
    film = job_of(interview, tmp_path / "out.mp4", people=f"ANNA={interview}/film.mp4")
    assert [one.rpartition("/")[2] for one in input_faults(film, settings.limits)] == [
        "film.mp4: no still picture, or one that does not decode"
    ]
    (gone,) = input_faults(job_of(interview, tmp_path / "out.mp4", turns=f"{tmp_path}/gone.csv"), settings.limits)
    assert "gone.csv" in gone and "No such file" in gone
    assert input_faults(job_of(interview, tmp_path / "out.mp4"), settings.limits) == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"speech": "a.wav"}, "either a speech, or turns"),
        ({"turns": None}, "either a speech, or turns"),
        ({"turns": None, "speech": "a.wav"}, "go with turns"),
        ({"face": 2, "length": "loop"}, "length and face cannot be given together with turns"),
        ({"speeches": "ANNA"}, "'ANNA' is not NAME=VALUE"),
        ({"speeches": "ANNA=a.wav;ANNA=b.wav"}, "a name is given twice"),
        ({"turns": None, "speech": "a.wav", "speeches": {}, "preserve": "packets", "length": "loop"}, "preserve goes"),
    ],
)
def test_contradictory_jobs_are_refused(interview, fields, words):
    with pytest.raises(ValidationError, match=words):
        job_of(interview, "out.mp4", **fields)


def test_manifest_names_speeches_and_people_beside_itself(tmp_path):
    rows = "film.mp4,turns.csv,ANNA=anna.wav;BEN=/b.wav,ANNA=left;BEN=ben.png,out.mp4\n"
    (tmp_path / "jobs.csv").write_text(f"video,turns,speeches,people,out\n{rows}")
    (job,) = read_jobs(tmp_path / "jobs.csv")
    assert job.turns == f"{tmp_path}/turns.csv"
    assert job.speeches == {"ANNA": f"{tmp_path}/anna.wav", "BEN": "/b.wav"}
    assert job.people == {"ANNA": "left", "BEN": f"{tmp_path}/ben.png"}
    assert set(inputs_of(job)) == {job.video, job.turns, *job.speeches.values(), job.people["BEN"]}
    assert rooted(job) == job


@pytest.mark.parametrize("text", ["left", "right", "3", "0.250000,0.500000"])
def test_place_and_its_text_are_each_other_s(text):
    assert place_text(place_of(text)) == text


def test_each_person_of_a_film_is_scored_by_their_own_speech(interview, made, models, backend, settings, tmp_path):
    """Another speech of BEN's changes what BEN's lips are held against, and nothing for ANNA."""
    jobs = {
        "own": job_of(interview, made[0].out),
        "other": job_of(interview, made[0].out, speeches=f"ANNA={interview}/anna.wav;BEN={interview}/anna.wav"),
    }
    found = {}
    for name, job in jobs.items():
        (scratch := tmp_path / name).mkdir()
        scores = evaluate_dubbing(job, models, backend, settings, SyncScorer(), scratch, ProgressSink())
        assert scores.failed == {}
        assert scores.evaluated == 4  # two people in two settings
        found[name] = {row.clip_id: row.metrics for row in scores.rows if row.system == "unpaired/dubbed"}
    anna, ben = (f"{made[0].out} ({person})" for person in ("ANNA", "BEN"))
    assert set(found["own"]) == {anna, ben}
    assert found["own"][anna] == found["other"][anna]
    assert found["own"][ben]["nme_lips"] != found["other"][ben]["nme_lips"]
    assert found["own"][ben]["face_found_frac"] == 1


def test_key_of_a_job_follows_its_list_and_everybody_s_speech(interview, settings, generator_folder, tmp_path):
    paths = ModelPaths(generator_folder, None, ("a", "warp"))
    lists = [tmp_path / name for name in ("one.csv", "same.csv", "other.csv")]
    for path, text in zip(lists, (TURNS, TURNS, TURNS.replace("0.2", "0.3")), strict=True):
        path.write_text(text)
    one, same, other = (dub_key(job_of(interview, "out.mp4", turns=str(path)), paths, settings) for path in lists)
    assert one == same != other
    swapped = {"speeches": f"BEN={interview}/anna.wav;ANNA={interview}/ben.wav", "turns": str(lists[0])}
    assert dub_key(job_of(interview, "out.mp4", **swapped), paths, settings) != one
    moved = {"people": "ANNA=right", "turns": str(lists[0])}
    assert dub_key(job_of(interview, "out.mp4", **moved), paths, settings) != one

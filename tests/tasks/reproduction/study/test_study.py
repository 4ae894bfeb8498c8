"""A study from its films to its scores: the page is blinded, files are checked against the key, figures are right."""

import json
import re

import pytest

from heterodub.schemas.errors import SourceError, WorkspaceError
from heterodub.schemas.study import QUESTIONS
from heterodub.tasks.reproduction.study_making import make_study
from heterodub.tasks.reproduction.study_scoring import as_table, gather, read_key, score_study
from heterodub.tasks.reproduction.table import markdown
from tests.tasks.reproduction.study.films import CLIPS, SYSTEMS, listing


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    return listing(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def made(listed, tmp_path_factory):
    return make_study(listed, tmp_path_factory.mktemp("study"), title="Faces & <films>", checks=1)


def embedded(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_page_is_self_contained_and_blinded(made):
    page, key = made.page.read_text("utf-8"), made.key.read_text("utf-8")
    assert "Faces &amp; &lt;films&gt;" in page
    for word in (*SYSTEMS, *CLIPS, "baseline", ".mp4", "expected", str(made.page.parent)):
        assert word not in page, word
        assert word in key or word in (".mp4", str(made.page.parent)) or word == "baseline"
    assert not re.search(r'(src|href)="[^"]', page)
    data = embedded(page)
    assert list(data["items"]) == sorted(data["items"])
    assert set(data["items"]) == set(made.study.items)
    assert [list(form) for form in made.study.forms] == data["forms"]
    assert made.key.parent not in (made.page.parent, *made.page.parent.parents[:0])
    summary = made.summary()
    assert (summary["systems"], summary["videos"], summary["videos_a_rater"]) == (2, 7, 7)


def test_study_ids_depend_on_the_seed(listed, made, tmp_path):
    one, again = (make_study(listed, tmp_path / name, checks=1, seed=5).study for name in ("one", "again"))
    assert one.forms == again.forms
    assert not one.items.keys() & made.study.items.keys()


def test_invalid_study_is_refused(listed, tmp_path):
    with pytest.raises(SourceError, match="3 cannot be shown"):
        make_study(listed, tmp_path, rounds=3)
    with pytest.raises(SourceError, match="too many"):
        make_study(listed, tmp_path, checks=9)
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="cannot be written"):
        make_study(listed, tmp_path / "file")


def answers(made, rater: int, grade, **changes) -> dict:
    """A file as the page saves it. grade(clip, system, question): the rater's opinion."""
    form = (rater - 1) % len(made.study.forms)
    rows = []
    for name in made.study.forms[form]:
        item = made.study.items[name]
        grades = item.expected or {one: grade(item.clip, item.system, one) for one in QUESTIONS}
        rows.append({"item": name, "grades": dict(grades), "plays": 1, "seconds": 4.5})
    file = {"kind": "heterodub-study-answers", "study": made.study.study, "rater": rater, "form": form}
    file |= {"started_utc": "2026-01-01T00:00:00Z", "saved_utc": "2026-01-01T00:10:00Z", "finished": True}
    return file | {"answers": rows} | changes


def saved(folder, *files: dict):
    folder.mkdir(exist_ok=True)
    for number, file in enumerate(files):
        (folder / f"{number}.json").write_text(json.dumps(file))
    return folder


def opinion(clip, system, question) -> int:
    return (4 if system == SYSTEMS[0] else 2) + (clip == "anna")


def test_means_and_agreement_match_the_responses(made, tmp_path):
    """Two raters of one opinion: by hand, ours gets 5, 4, 4 and its baseline 3, 2, 2; they agree wholly."""
    folder = saved(tmp_path / "a", answers(made, 1, opinion), answers(made, 2, opinion))
    scores = score_study(made.key, [folder])
    assert (scores.raters, scores.clips, scores.set_aside) == (2, 3, {})
    means = {system: {one: interval.mean for one, interval in row.items()} for system, row in scores.means.items()}
    assert means[SYSTEMS[0]]["visual"] == pytest.approx(13 / 3)
    assert means[SYSTEMS[1]]["identity"] == pytest.approx(7 / 3)
    assert scores.agreement == dict.fromkeys(QUESTIONS, 1.0)
    text = markdown(as_table(scores))
    assert "| ours <b> | 4.33 (" in text
    assert "| Wav2Lip | -<br>*LRS2: 3.159* |" in text
    assert "visual quality 1.00" in text


def test_contradicting_raters_have_negative_agreement(made, tmp_path):
    turned = answers(made, 2, lambda *given: 6 - opinion(*given))
    scores = score_study(made.key, [saved(tmp_path / "a", answers(made, 1, opinion), turned)])
    assert scores.agreement["sync"] < 0
    assert scores.means[SYSTEMS[0]]["sync"].mean == pytest.approx(3)


def spoilt(made, rater: int, change) -> dict:
    file = answers(made, rater, opinion)
    change(file)
    return file


def miss_a_check(made):
    def change(file):
        row = next(row for row in file["answers"] if made.study.items[row["item"]].expected)
        row["grades"]["visual"] = row["grades"]["visual"] % 5 + 1

    return change


def test_rejected_response_files_are_named_with_the_reason(made, tmp_path):
    """Every check, seen to fail."""
    good = answers(made, 1, opinion)
    later = answers(made, 1, lambda *_: 3, saved_utc="2026-01-02T00:00:00Z")
    bad = {
        "gave other grades than asked for in 1 attention checks": spoilt(made, 2, miss_a_check(made)),
        "it belongs to study other": spoilt(made, 3, lambda file: file.update(study="other")),
        "was not shown order 0": spoilt(made, 4, lambda file: file.update(form=0)),
        "one twice": spoilt(made, 5, lambda file: file["answers"].append(file["answers"][0])),
        "left a question open": spoilt(made, 6, lambda file: file["answers"][0]["grades"].pop("sync")),
        "it cannot be read: .*grades": spoilt(made, 7, lambda file: file["answers"][0]["grades"].update(sync=6)),
        "it cannot be read: .*rater": spoilt(made, 8, lambda file: file.pop("rater")),
    }
    part = spoilt(made, 2, lambda file: file.update(finished=False, answers=file["answers"][:3]))
    part_has_a_check = any(made.study.items[row["item"]].expected for row in part["answers"])
    folder = saved(tmp_path / "a", good, later, *bad.values(), part)
    (folder / "cut.json").write_text('{"kind"')
    gathered = gather(made.study, [folder])
    reasons = {path.rsplit("/", 1)[-1]: why for path, why in gathered.set_aside.items()}
    assert set(reasons) == {"0.json", *(f"{2 + number}.json" for number in range(len(bad))), "cut.json"}
    assert "saved another file later" in reasons["0.json"]
    for number, pattern in enumerate(bad):
        assert re.search(pattern, reasons[f"{2 + number}.json"], re.DOTALL), (pattern, reasons)
    assert set(gathered.grades) == {1, 2}
    assert gathered.unfinished == (2,)
    assert len(gathered.grades[2]) == 3 - part_has_a_check
    assert all(grade == 3 for grades in gathered.grades[1].values() for grade in grades.values())


def test_no_valid_response_gives_no_score(made, tmp_path):
    with pytest.raises(SourceError, match=r"no file of answers counts.*other grades"):
        score_study(made.key, [saved(tmp_path / "a", spoilt(made, 1, miss_a_check(made)))])
    with pytest.raises(SourceError, match="no such file"):
        score_study(made.key, [tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no file of answers"):
        score_study(made.key, [tmp_path / "empty"])
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(SourceError, match="key"):
        read_key(tmp_path / "key.json")

import csv
import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from heterodub.flows.cli.inspect import register
from heterodub.schemas.display import csv_line, visible
from heterodub.schemas.errors import HeterodubError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.ingestion.reroute import changed_clips, describe, plan_reroute
from heterodub.tasks.inspect.list import CLIP_COLUMNS, FILE_COLUMNS
from heterodub.tasks.monitoring.run_log import Counts, as_step, recording
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage

app = typer.Typer()
register(app)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return footage.make(tmp_path_factory.mktemp("ask") / "ws").root


def run(root: str, *words: str, columns: int = 120, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words, "-w", root], env={"COLUMNS": str(columns)})
    assert result.exit_code == code, result.output
    return result.stdout


def test_status_as_text_and_json(root: str):
    text = run(root, "status")
    assert "7: 4 measured, 1 rejected, 1 duplicate, 1 quarantined" in text
    assert "5: 1 both, 1 stage1, 1 stage2, 2 rejected" in text
    assert "stage1 has only 2 train clips" in text
    assert json.loads(run(root, "status", "--json"))["clips"]["both"] == 1


@pytest.mark.parametrize(("kind", "columns"), [("--files", FILE_COLUMNS), ("--clips", CLIP_COLUMNS)])
def test_csv_round_trips_with_every_name(root: str, kind: str, columns: tuple[str, ...]):
    rows = list(csv.DictReader(io.StringIO(run(root, "list", kind, "--format", "csv"), newline="")))
    data = json.loads(run(root, "list", kind, "--format", "json"))
    assert len(rows) == len(data)
    for row, entry in zip(rows, data, strict=True):
        assert tuple(row) == tuple(entry) == columns
        assert row["uri"] == visible(entry["uri"])
        assert all((value is None) == (row[name] == "") for name, value in entry.items() if not isinstance(value, list))


def test_csv_holds_exact_numbers_and_all_reasons(root: str):
    rows = list(
        csv.DictReader(io.StringIO(run(root, "list", "--clips", "--format", "csv", "--reason", "noisy"), newline=""))
    )
    refused = next(row for row in rows if row["brightness"] == "0.95")
    assert set(refused["stage1_reasons"].split()) == {"face_too_small", "noisy", "low_av_sync"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\r\nb", r"a\r\nb"),
        ('a"b', 'a"b'),
        ("a,b", "a,b"),
        (" a ", " a "),
        ("", ""),
        ("\x1b]0;x\x07\u202e\udc80", r"\x1b]0;x\x07\u202e\udc80"),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", r"\t=1"),
    ],
)
def test_csv_holds_every_name_without_control_codes_or_formulas(name: str, shown: str):
    text = csv_line(["uri", "n"]) + csv_line([name, -0.1]) + csv_line([(name, "b"), None])
    assert all(line.isprintable() for line in text.splitlines())
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [["uri", "n"], [shown, "-0.1"], [f"{shown} b", ""]]


def test_json_is_an_array_even_when_it_is_empty(root: str):
    assert json.loads(run(root, "list", "--json", "--state", "rejected", "--route", "both")) == []


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("kind", ["--files", "--clips"])
def test_tables_fit_the_terminal_and_hold_no_control_codes(root: str, kind: str, columns: int):
    lines = run(root, "list", kind, columns=columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert all(line.isprintable() for line in lines)


def test_limit_notice_goes_to_stderr_only(root: str):
    result = CliRunner().invoke(app, ["list", "--clips", "--limit", "2", "-w", root])
    assert "2 of 5 rows" in result.stderr
    assert "of 5" not in result.stdout


def test_explain_shows_each_limit_of_the_policy(root: str):
    text = run(root, "explain", footage.clip_id(footage.CLIPS_MADE[1])[:10])
    for shown in (">= 40", ">= 100", ">= 10", ">= 2", "|x| <= 6", ">= 0.1 and <= 0.9", "<= 0.05"):
        assert shown in text
    assert "FAIL" in text
    assert "pass" in text
    assert "not asked" in text
    assert "face_too_small (the face is too small)" in text


def test_explain_names_the_cause_of_a_missing_number(root: str):
    text = run(root, "explain", footage.NEWLINE)
    assert "no_sound_stream" in text
    assert "not measured: noisy" in text
    assert "not measured, accepted" in text


def test_explain_shows_used_streams_and_why_they_were_chosen(root: str):
    text = " ".join(run(root, "explain", footage.PLAIN).split())
    assert "picture, h264, used, default, 24.5 changes a second" in text
    assert "sound, aac, not used, default, a" in text
    assert "sound, aac, used, sync score 5.25" in text
    streams = json.loads(run(root, "explain", footage.PLAIN, "--json"))["streams"]
    assert [(one["stream"], one["used"]) for one in streams] == [(0, True), (1, False), (2, True)]


@pytest.mark.parametrize("name", footage.URIS)
def test_every_file_is_explained_without_control_characters(root: str, name: str):
    text = run(root, "explain", name)
    assert all(line.isprintable() for line in text.splitlines())
    answer = json.loads(run(root, "explain", name, "--json"))
    assert (answer["kind"], answer["uri"]) == ("file", name)


def test_clip_as_json(root: str):
    answer = json.loads(run(root, "explain", footage.clip_id(footage.CLIPS_MADE[0]), "--json"))
    assert (answer["kind"], answer["route"], len(answer["signals"])) == ("clip", "both", len(SIGNAL_NAMES))


def test_errors_reach_the_caller(root: str):
    for words in (["explain", "nothing-like-it"], ["list", "--reason", "nonsense"], ["report", "--clip", "ffff"]):
        result = CliRunner().invoke(app, [*words, "-w", root])
        assert isinstance(result.exception, HeterodubError)
        assert result.stdout == ""


def test_contradictions_are_usage_errors(root: str):
    run(root, "list", "--files", "--clips", code=2)
    run(root, "list", "--route", "sideways", code=2)


def test_doctor_ends_with_1_when_something_is_wrong(root: str, tmp_path: Path):
    answer = json.loads(run(root, "doctor", "--json"))
    assert answer["healthy"] is True
    broken = json.loads(run(str(tmp_path / "nowhere"), "doctor", "--json", code=1))
    assert broken["healthy"] is False
    text = run(str(tmp_path / "nowhere"), "doctor", code=1)
    assert "PROBLEM layout" in text
    assert "->" in text


def test_report_prints_only_its_path(root: str, tmp_path: Path):
    assert run(root, "report").strip() == f"{root}/reports/ingest.html"
    assert run(root, "report", "-o", str(tmp_path / "page.html")).strip() == str(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_report_against_a_policy_counts_as_route_does(root: str, tmp_path: Path):
    (policy := tmp_path / "other.toml").write_text('name = "other"\nversion = 1\n[stage1]\n[stage2]\n')
    page = str(tmp_path / "moved.html")
    summary = json.loads(run(root, "report", "--against", str(policy), "-o", page, "--json"))
    plan = plan_reroute(Workspace.open(root), load_policy(policy))
    for stage, planned in ((stage, describe(plan)[stage]) for stage in ("stage1", "stage2")):
        counts = summary[stage]
        assert counts["only_after"] == planned["newly_admitted"]
        assert counts["only_before"] == planned["no_longer_admitted"]
        assert counts["both"] + counts["only_before"] == planned["before"]
        assert counts["reasons"] == planned["reasons"]
    routes = [{name: clip[name] for name in ("clip_id", "before", "after")} for clip in summary["changed"]]
    assert sorted(map(str, routes)) == sorted(map(str, changed_clips(plan)))
    lines = run(root, "report", "--against", str(policy), "-o", page).splitlines()
    assert lines[-1] == summary["page"] == page
    assert "only by policy other 1" in lines[0]


def test_report_against_what_is_neither_release_nor_policy_is_refused(root: str):
    for against in ("none.toml", "r000000000000"):
        with pytest.raises(HeterodubError, match=against):
            app_run = CliRunner().invoke(app, ["report", "--against", against, "-w", root])
            raise app_run.exception
    for more in (["--trend"], ["--clip", "ab"]):
        run(root, "report", "--against", "newest", *more, code=2)


def test_trend_report_is_a_separate_page(root: str):
    assert run(root, "report", "--trend").strip() == f"{root}/reports/trend.html"
    run(root, "report", "--trend", "--clip", "ab", code=2)


def test_status_shows_runs_and_their_ends(tmp_path: Path):
    ws = footage.make(tmp_path / "ws")
    settings = footage.settings(tmp_path / "ws")

    @as_step("learn", lambda version: Counts(clips=12, facts={"model": "landmark-generator", "version": version}))
    def learn(version: int) -> int:
        return 1 // version

    with recording("train", settings):
        learn(1)
    with pytest.raises(ZeroDivisionError), recording("train", settings):
        learn(0)
    with recording("retrain", settings):
        text = run(ws.root, "status")
        summary = json.loads(run(ws.root, "status", "--json"))["runs"]
    rows = [
        line.split() for line in text.splitlines() if "train" in line.split()[1:2] or "retrain" in line.split()[1:2]
    ]
    assert [row[1:3] for row in rows] == [["retrain", "running"], ["train", "failed"], ["train", "done"]]
    assert "ZeroDivisionError at learn" in text
    assert "12 clips, landmark-generator 1" in text
    assert [one["state"] for one in summary] == ["running", "failed", "done"]

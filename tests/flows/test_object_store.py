"""Footage in a bucket, workspace in another: the rows of a local ingest. Against moto's S3 server on loopback."""

import json

import pytest

from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import SourceError, WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.lines import line_of, progress_of
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.workspace import STANDBY, Workspace
from tests.flows.heads import contents, portable, versions
from tests.flows.plain_ingest import run
from tests.tasks.releases.test_lines import ORIGIN, extractors, go_over, store

pytestmark = pytest.mark.long

SOURCE, WORKSPACE = "s3://footage/films", "s3://lab/spaces/one"


@pytest.fixture(scope="module")
def settings(config):
    return load_settings(config, workspace=WORKSPACE, run={"workers": 1})


@pytest.fixture(scope="module")
def ingested(bucket, settings):
    return run(SOURCE, settings)


def test_rows_equal_a_local_ingest(ingested, finished):
    plan, tally, published = ingested
    assert (len(plan.fresh), tally.files_done, published.is_new) == (6, 6, True)
    actual, expected = portable(WORKSPACE), portable(finished.workspace)
    for table, rows in expected.items():
        assert actual[table] == rows, table


def test_second_run_decodes_nothing_and_changes_nothing(ingested, settings):
    before = versions(WORKSPACE)
    plan, tally, published = run(SOURCE, settings)
    assert (plan.fresh, plan.unchanged, tally.files) == ((), 6, 0)
    assert (published.release_id, published.is_new) == (ingested[2].release_id, False)
    assert versions(WORKSPACE) == before


def test_audit_s_pages_are_in_the_workspace(ingested, bucket):
    assert bucket.exists("lab/spaces/one/audit/audit.html")
    assert bucket.exists("lab/spaces/one/audit/audit.html")


def test_all_queries_work_on_an_object_store(ingested, stdout_of, tmp_path, policies):
    where = ("-w", WORKSPACE)
    status = json.loads(stdout_of("status", *where, "--json"))
    assert (status["workspace"], status["files"]["measured"]) == (WORKSPACE, 6)
    files = json.loads(stdout_of("list", "--files", *where, "--json"))
    assert {row["uri"] for row in files} == {row["uri"] for row in contents(WORKSPACE)["catalog"]}
    assert "head0.mp4" in stdout_of("explain", "films/head0.mp4", *where)
    assert stdout_of("report", *where).strip() == f"{WORKSPACE}/reports/ingest.html"
    stdout_of("report", *where, "-o", tmp_path / "page.html")
    assert "head0.mp4" in (tmp_path / "page.html").read_text()
    assert json.loads(stdout_of("route", "--policy", policies["picky"], "--dry-run", *where, "--json"))["clips"]
    findings = json.loads(stdout_of("doctor", *where, "--json", code=None))["findings"]
    assert [finding for finding in findings if finding["area"] == "workspace" and finding["remedy"]] == []


def test_mistyped_bucket_is_an_error_and_is_not_made(bucket):
    with pytest.raises(WorkspaceError, match="lbb"):
        Workspace.open("s3://lbb/work", create=True)
    assert not bucket.exists("lbb")
    with pytest.raises(SourceError, match="footge"):
        list(source_files("s3://footge/films"))
    with pytest.raises(SourceError, match="nothing there"):
        list(source_files("s3://footage/nothing"))


def test_unreachable_endpoint_is_one_line(heterodub, bucket):
    ran = heterodub("ingest", SOURCE, "-w", WORKSPACE, AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("error: ")


def test_names_in_a_bucket_are_only_names(bucket, config, footage, tmp_path):
    names = ["a b.mp4", "a::b.mp4", "wh*t?.mp4", "#1 100%.mp4", "ü'\".mp4"]
    for number, name in enumerate(names):
        bucket.pipe_file(f"footage/odd/{name}", (footage / "head1.mkv").read_bytes() + bytes(number + 1))
    bucket.pipe_file("footage/odd/folder/", b"")
    run("s3://footage/odd", load_settings(config, workspace=str(tmp_path), run={"workers": 1}))
    rows = contents(tmp_path)["catalog"]
    assert {row["uri"]: row["state"] for row in rows} == {f"s3://footage/odd/{name}": "measured" for name in names}


def test_manifest_and_a_corpus_file_in_a_bucket_speak_of_what_lies_beside_them(bucket):
    bucket.pipe_file("footage/list.csv", b"uri,speaker\nfilms/head0.mp4,ada\nfilms/gone.mp4,ben\n")
    here, gone = source_files("s3://footage/list.csv")
    assert (here.uri, here.speaker, here.refusal) == ("s3://footage/films/head0.mp4", "ada", None)
    assert (gone.uri, gone.speaker, gone.refusal) == ("s3://footage/films/gone.mp4", "ben", "not_found")
    (listed,) = (raw for raw in source_files("s3://footage/films") if raw.uri == here.uri)
    assert (listed.stamp, listed.size_bytes) == (here.stamp, here.size_bytes)
    bucket.pipe_file("footage/all.toml", b'name = "grid"\nroot = "films"\nglob = "*.mp4"\n')
    assert {(raw.uri.rsplit("/", 1)[-1], raw.corpus) for raw in source_files("s3://footage/all.toml")} == {
        ("head0.mp4", "grid"),
        ("head3.mp4", "grid"),
    }
    with pytest.raises(SourceError, match=r"none\.csv"):
        list(source_files("s3://footage/none.csv"))


def test_new_line_takes_the_place_of_the_old_one(bucket):
    ws = Workspace.open("s3://lab/spaces/lines", create=True)
    store(ws, 0)
    releases.publish(ws, releases.current_versions(ws), ORIGIN, {"passed": True})
    line = line_of(ws, Settings(workspace=ws.root))
    store(line, 0)
    assert standing_by(ws) == (line,) and progress_of(ws, line.line).is_whole
    go_over(line)
    first, second = releases.every(ws)
    for release in (first, second):
        assert sum(batch.num_rows for batch in releases.read_release(ws, release, Stage.STAGE2)) == 1
    assert extractors(ws) == {line.line} and line_of(ws, Settings(workspace=ws.root)) == ws
    assert not bucket.exists(f"lab/spaces/lines/{STANDBY}/{line.line}")

"""An ingest as Prefect and as the command line see it: how it ends, what it shows, what it does the second time."""

import json
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import ArtifactSort

from heterodub.flows.ingest import ingest
from heterodub.schemas.config.settings import load_settings
from heterodub.schemas.errors import SettingsError, WeightsMissingError, WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.releases import releases
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.commands import each_ended
from tests.flows.heads import contents, people_lines, versions, write_head
from tests.flows.plain_ingest import run


def of_run(finished) -> FlowRunFilter:
    """Others use the server, too."""
    return FlowRunFilter(id=FlowRunFilterId(any_=[UUID(finished.flow_run)]))


def test_flow_run_is_completed_and_publishes(finished):
    with get_client(sync_client=True) as client:
        (actual,) = client.read_flow_runs(flow_run_filter=of_run(finished))
    assert actual.state_name == "Completed"
    summary = finished.summary
    assert (summary["files"], summary["measured"], summary["stage1"], summary["stage2"]) == (6, 6, 7, 7)
    assert summary["release"] == releases.latest(Workspace.open(str(finished.workspace))).release_id


def test_artifacts_show_the_summary_and_the_reasons(finished):
    with get_client(sync_client=True) as client:
        actual = client.read_artifacts(flow_run_filter=of_run(finished), limit=20, offset=0, sort=ArtifactSort.ID_DESC)
    shown = {one.key: one.data for one in actual}
    summary = {row["what"]: row["value"] for row in json.loads(shown["ingest-summary"])}
    assert summary["release"]
    assert summary["files"].isdigit()
    assert isinstance(json.loads(shown["ingest-reasons"]), list)
    assert float(shown["ingest-progress"]) == 100.0
    routes = {row["goes to"]: row["clips"] for row in json.loads(shown["ingest-routes"])}
    assert routes == {"both stages": 7, "stage 1 alone": 0, "stage 2 alone": 0, "neither": 0}
    audited = {row["table"]: (row["rows"], row["failed"]) for row in json.loads(shown["audit"])}
    assert audited == {"catalog": (6, 0), "clips": (7, 0), "stage1": (7, 0), "stage2": (7, 0), "embeddings": (7, 0)}
    (drift,) = json.loads(shown["ingest-drift"])
    assert (drift["corpus"], drift["new clips"], drift["against"]) == ("default", 7, "nothing yet")


def test_run_log_records_each_step(finished):
    (run,) = runs(Workspace.open(str(finished.workspace)))
    assert (run.flow, run.state) == ("ingest", "done")
    assert [step.name for step in run.steps if step.corpus is None] == ["find", "analyse", "drift", "publish"]
    analysed = run.named("analyse")
    assert (analysed.files, analysed.clips, analysed.errors) == (6, 7, 0)
    assert analysed.facts["routes"] == {"both": 7}
    assert analysed.facts["states"] == {"measured": 6}
    assert analysed.media_s == pytest.approx(finished.summary["media_seconds"])
    assert run.named("publish").facts == {"release": finished.summary["release"], "is_new": True}
    assert [step.corpus for step in run.corpora("drift")] == ["default"]


def test_second_ingest_decodes_and_changes_nothing(invoked, footage, workspace, config):
    before = versions(workspace)
    ran = invoked("ingest", footage, "-w", workspace, "--config", config)
    assert ran.exit_code == 0, ran.stderr
    assert "nothing new" in ran.stdout
    assert "analyse: " not in ran.stderr
    assert versions(workspace) == before
    lines = [line for line in ran.stderr.splitlines() if "logger=heterodub.tasks.monitoring" in line]
    assert [word for word in lines[1].split() if word.startswith(("step=", "files="))] == ["step=find", "files=6"]


def test_manifest_of_mapped_columns_names_the_same_files(invoked, footage, workspace, config, tmp_path):
    before = versions(workspace)
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["File,mood", *(f"{path},calm" for path in sorted(footage.iterdir()))]))
    ran = invoked("ingest", labels, "--columns", "uri=file", "-w", workspace, "--config", config)
    assert ran.exit_code == 0, ran.stderr
    assert "nothing new" in ran.stdout and versions(workspace) == before


def test_only_added_files_are_analysed(invoked, footage, workspace, config, cluster, finished):
    earlier = contents(workspace)
    (added := footage.parent / "added").mkdir()
    write_head(added / "zz-new.mp4", 50)
    ran = invoked("ingest", footage.parent, "-w", workspace, "--config", config, "--dask", cluster, "--json")
    summary = json.loads(ran.stdout)  # fails if anything else is on stdout
    assert (summary["new_files"], summary["unchanged_files"], summary["files"]) == (1, 6, 7)
    assert summary["media_seconds"] == 1.6
    assert summary["release_is_new"] and summary["release"] != finished.summary["release"]
    assert "analyse: 1 to do" in ran.stderr
    now = contents(workspace)
    assert [row for row in now["stage1"] if row in earlier["stage1"]] == earlier["stage1"]


def test_release_reads_the_same_after_more_footage(footage, workspace, config, cluster, tmp_path):
    """An earlier release keeps its bytes when a later listing changes the sound's offset."""
    ws = Workspace.open(str(workspace))
    release = releases.latest(ws)
    manifest = tmp_path / "offset.csv"
    manifest.write_text(f"uri,offset\n{footage / 'head1.mkv'},0.2\n{footage / 'head1.mkv'},0.2\n")
    before = _stage1_of(ws, release)

    settings = load_settings(config, workspace=str(workspace), run={"dask": cluster})
    plan, _, published = run(manifest, settings)
    assert (len(plan.fresh), published.is_new) == (1, True)
    assert _stage1_of(ws, release) == before
    assert _stage1_of(ws, releases.latest(ws)) != before


def _stage1_of(ws: Workspace, release: releases.Release) -> list[dict]:
    rows = [row for batch in releases.read_release(ws, release, Stage.STAGE1) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: row["clip_id"])


def test_help_names_the_commands(stdout_of):
    shown = stdout_of("--help")
    assert all(word in shown for word in ("ingest", "route", "sample"))
    stdout_of("ingest", "--help")


def test_user_errors_are_one_line(prefect_api, tmp_path, footage):
    bad = tmp_path / "bad.toml"
    bad.write_text("[run]\nworkers = 0\n")
    calls = {
        "no such file": ("ingest", tmp_path / "nowhere", "-w", tmp_path / "w1"),
        "workers": ("ingest", footage, "-w", tmp_path / "w2", "--config", bad),
        "Dask": ("ingest", footage, "-w", tmp_path / "w4", "--dask", "tcp://127.0.0.1:1"),
    }
    for part, ran in zip(calls, each_ended(list(calls.values()), PREFECT_API_URL=prefect_api), strict=True):
        assert (ran.returncode, ran.stdout) == (1, b""), part
        said = ran.stderr.decode()
        lines = [line for line in people_lines(said) if "error" in line.lower() or "Traceback" in line]
        assert len(lines) == 1 and lines[0].startswith("error: ") and part in lines[0], said


def test_user_errors_are_project_errors(prefect_api, tmp_path, footage):
    """Of which the command makes one line."""
    with pytest.raises(SettingsError, match="not there"):
        ingest(str(footage), workspace=str(tmp_path / "w"), config=str(tmp_path / "none.toml"))
    with pytest.raises(WorkspaceError, match="not a workspace"):
        ingest(str(footage), workspace=str(footage))


def test_unreachable_prefect_server_is_one_line(heterodub, tmp_path, footage):
    ran = heterodub("ingest", footage, "-w", tmp_path / "workspace", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert (ran.returncode, ran.stdout) == (1, "")
    (lines,) = ran.stderr.splitlines()
    assert lines.startswith("error: no Prefect server answers at PREFECT_API_URL=http://127.0.0.1:1/api")


def test_weights_that_workers_lack_end_the_run_without_blaming_files(prefect_api, tmp_path, footage, cluster):
    settings, workspace = tmp_path / "v2.toml", tmp_path / "workspace"
    settings.write_text('backend = "face_mesh_v2"\n')
    with pytest.raises(WeightsMissingError, match="face_landmarker"):
        ingest(str(footage), workspace=str(workspace), config=str(settings), dask=cluster)
    assert contents(workspace)["catalog"] == []

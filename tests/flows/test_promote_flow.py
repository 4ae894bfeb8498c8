"""Promote, approve, roll back as flows and commands, on a real Prefect server and a real registry in the workspace."""

import asyncio
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_runs import resume_flow_run

from heterodub.flows.promote import promote, rollback
from heterodub.flows.train import train
from heterodub.schemas.config.settings import TrackingSettings
from heterodub.schemas.errors import PromotionError
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.kinds import LANDMARK_GENERATOR
from heterodub.tasks.tracking.models import log_model
from heterodub.tasks.tracking.runs import tracked_run
from heterodub.tasks.tracking.store import open_tracking
from tests.tasks.promotion.conftest import POLICY
from tests.tasks.training.talkers import crowd

MODEL = "landmark-generator"
SHORT = "[stage1]\npreset = 'tiny'\n[stage1.data]\nbatch_size = 8\n[stage1.optimiser]\nlearning_rate = 6e-3\n"
APPROVAL = f"\n[models.{MODEL}.approval]\nrequired = true\ntimeout_s = "


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> str:
    """Settings and policy for a short training and a verdict that does not depend on a busy machine."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "policy.toml").write_text(POLICY)
    (folder / "patient.toml").write_text(f"{POLICY}{APPROVAL}120\n")
    (folder / "hasty.toml").write_text(f"{POLICY}{APPROVAL}2\n")
    schedule = "[stage1.schedule]\nmax_steps = 80\neval_interval = 80\nsave_interval = 80\nsample_interval = 1000\n"
    (folder / "short.toml").write_text(f"promotion = '{folder}/policy.toml'\n{SHORT}{schedule}")
    return str(folder / "short.toml")


@pytest.fixture(scope="module")
def workspace(commons, tmp_path_factory, short, prefect_api) -> str:
    """Talkers, and a good generator as version 1."""
    folder = Path(shutil.copytree(crowd(commons), tmp_path_factory.mktemp("talkers") / "workspace"))
    train(workspace=str(folder), config=short)
    return str(folder)


def champion(workspace: str) -> int | None:
    result = MlflowClient(f"sqlite:///{workspace}/mlflow/mlflow.db").get_registered_model(MODEL)
    number = result.aliases.get("champion")
    return None if number is None else int(number)


def _register_again(workspace: str) -> None:
    """The champion's own files as version 2."""
    ws = Workspace.open(workspace)
    tracking = open_tracking(TrackingSettings(), ws)
    folder = next(Path(workspace).glob("training/stage1-*/model"))
    with tracked_run(tracking, "again") as run:
        assert log_model(run, folder, LANDMARK_GENERATOR).number == 2


def _require_page(workspace: str, run: str) -> None:
    """It lies in the run of the evidence and in that of the challenger's training, shows both, and names no speaker."""
    client = MlflowClient(f"sqlite:///{workspace}/mlflow/mlflow.db")
    trained = client.get_model_version(MODEL, "2").run_id
    pages = [Path(client.download_artifacts(one, "promotion/comparison.html")).read_text() for one in (run, trained)]
    assert pages[0] == pages[1]
    for shown in (
        "version 1",
        "version 2",
        "data:image/png;base64,",
        'alt="loss/total over steps"',
        'alt="val/loss over steps"',
        "gain over unpaired audio",
        "The same",
    ):
        assert shown in pages[0], shown
    assert "speaker 2" not in pages[0] and "http://" not in pages[0] and "https://" not in pages[0]
    assert pages[0].count("data:video/mp4;base64,") >= 2 and len(pages[0]) < 8_000_000
    assert pages[0].count("<img") >= 2 * 2 * 2  # at least two clips, two pictures of each model


async def _answer(workspace: str, values: dict) -> tuple[UUID, str]:
    """Fill in the form of the flow run that waits, as the UI does; says where its text was kept."""
    async with get_client() as client:
        wanted = FlowRunFilter(state=FlowRunFilterState(name={"any_": ["Paused"]}))
        for _ in range(600):
            paused = await client.read_flow_runs(flow_run_filter=wanted)  # others use the server, too
            if waiting := [run for run in paused if run.parameters.get("workspace") == workspace]:
                keyset = waiting[0].state.state_details.run_input_keyset
                try:
                    described = await client.read_flow_run_input(waiting[0].id, keyset["description"])
                except PrefectHTTPStatusError:  # it pauses first and writes its text then
                    await asyncio.sleep(0.1)
                    continue
                assert "beats copy" in str(described) and str(described).count("data:video/mp4;base64,") == 2
                await resume_flow_run(waiting[0].id, run_input=values)
                return waiting[0].id, keyset["description"]
            await asyncio.sleep(0.1)
    raise AssertionError("no flow run ever waited")


@pytest.mark.long
def test_approval_decides_the_promotion(workspace, short):
    """In this order: no answer, a refusal, an approval."""
    patient, hasty = (str(Path(short).with_name(f"{name}.toml")) for name in ("patient", "hasty"))
    summary = promote(workspace=workspace, config=short, policy=hasty)
    assert (summary["outcome"], summary["champion"]) == ("refused by a person", None)
    assert "nobody answered within 2 s" in summary["reason"]

    def asked(values: dict) -> dict:
        with ThreadPoolExecutor(1) as pool:
            answering = pool.submit(asyncio.run, _answer(workspace, values))
            result = promote(workspace=workspace, config=short, policy=patient)
            run, text = answering.result()
        with pytest.raises(PrefectHTTPStatusError, match="404"), get_client(sync_client=True) as client:
            client.read_flow_run_input(run, text)  # it shows faces, which a takedown would not find there
        return result

    summary = asked({"approve": False, "who": "Ada", "reason": "the chin wobbles"})
    assert summary["outcome"] == "refused by a person" and summary["reason"] == "Ada refused: the chin wobbles"
    tags = MlflowClient(f"sqlite:///{workspace}/mlflow/mlflow.db").get_run(summary["run"]).data.tags
    assert (tags["outcome"], tags["reason"]) == (summary["outcome"], summary["reason"])
    assert champion(workspace) is None

    summary = asked({"approve": True, "who": "Ada", "reason": "it is fine"})
    assert (summary["outcome"], summary["champion"]) == ("promoted", 1)
    assert champion(workspace) == 1


@pytest.mark.long
def test_promotion_commands_print_all_fields(workspace, short, heterodub, stdout_of):
    """After the approval: the same weights, registered by another run, do not win; an override crowns them."""
    _register_again(workspace)
    summary = json.loads(stdout_of("promote", "stage1", "-w", workspace, "--config", short, "--json"))
    assert (summary["outcome"], summary["champion"], summary["challenger"]) == ("kept", 1, 2)
    assert {check["name"] for check in summary["checks"]} >= {
        "primary",
        "beats copy",
        "gain over unpaired audio",
        "jitter",
    }
    _require_page(workspace, summary["run"])
    with pytest.raises(PromotionError, match=r"version 2 was never champion .these were: 1.*--override"):
        rollback("by hand", to=2, workspace=workspace, config=short)
    assert promote(model="2", override=True, reason="by hand", workspace=workspace, config=short)["from_version"] == 1
    assert champion(workspace) == 2
    rows = json.loads(stdout_of("history", "-w", workspace, "--json", "--config", short))
    assert [(row["version"], row["kind"]) for row in rows] == [(2, "override"), (1, "promote")]
    assert "approved by Ada" in rows[1]["reason"]
    shown = stdout_of("history", "-w", workspace, "--config", short)
    assert shown.startswith(MODEL) and "override" in shown and "promote" in shown
    assert (
        json.loads(stdout_of("benchmark", "-w", workspace, "--config", short, "--json"))["benchmark"]
        == summary["benchmark"]
    )
    ended = heterodub("promote", "stage1", "--model", "2", "-w", workspace, "--config", short)
    lines = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert ended.returncode == 1 and len(lines) == 1 and "is the champion already" in lines[0]
    assert "Traceback" not in ended.stderr

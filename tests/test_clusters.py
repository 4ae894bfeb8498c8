"""The manifest of docs/clusters.md: read as YAML, and held against what Dask, Dockerfile and settings need."""

import re
from pathlib import Path

import pytest
import yaml
from distributed.cli.dask_scheduler import main as scheduler
from distributed.cli.dask_worker import main as worker

from heterodub.schemas.config.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def manifest() -> dict:
    page = (ROOT / "docs" / "clusters.md").read_text()
    return yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.S)[1])


def container(manifest, kind: str) -> dict:
    (one,) = manifest["spec"][kind]["spec"]["containers"]
    return one


def parsed(command, arguments: list[str]) -> dict:
    """Options that Dask's own command line reads. Raises: click.UsageError - it has no such one."""
    return command.make_context(command.name, list(arguments)).params


def test_scheduler_and_workers_start_as_dask_understands_them(manifest):
    words, options = {}, {}
    for kind, command in (("scheduler", scheduler), ("worker", worker)):
        dask, words[kind], *arguments = container(manifest, kind)["args"]
        assert (dask, words[kind]) == ("dask", kind)
        options[kind] = parsed(command, arguments)
    assert options["worker"]["resources"] == "decode=1"
    assert (options["worker"]["nthreads"], options["worker"]["memory_limit"]) == (1, "0")
    ports = {port["name"]: port["containerPort"] for port in container(manifest, "scheduler")["ports"]}
    assert options["scheduler"]["port"] == str(ports["tcp-comm"])
    assert options["scheduler"]["dashboard_address"] == f":{ports['http-dashboard']}"


def test_service_leads_to_the_scheduler(manifest):
    service = manifest["spec"]["scheduler"]["service"]
    assert service["selector"] == {
        "dask.org/cluster-name": manifest["metadata"]["name"],
        "dask.org/component": "scheduler",
    }
    ports = {port["name"] for port in container(manifest, "scheduler")["ports"]}
    assert {port["targetPort"] for port in service["ports"]} == ports
    assert container(manifest, "scheduler")["readinessProbe"]["httpGet"]["port"] in ports


def test_scheduler_has_the_settings_that_an_ingest_asks_for(manifest):
    variables = {one["name"]: one["value"] for one in container(manifest, "scheduler")["env"]}
    assert float(variables["DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION"]) == 1.0
    assert int(variables["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"]) == Settings().limits.attempts - 1


def test_pods_of_workers_have_memory_scratch_and_the_image(manifest):
    one = container(manifest, "worker")
    options = parsed(worker, one["args"][2:])
    limit = int(one["resources"]["limits"]["memory"].removesuffix("Gi"))
    assert limit > int(options["n_workers"]) * Settings().limits.memory_limit_gib
    assert int(one["resources"]["requests"]["cpu"]) == int(options["n_workers"])
    mounts = {mount["mountPath"]: mount["name"] for mount in one["volumeMounts"]}
    volumes = {volume["name"] for volume in manifest["spec"]["worker"]["spec"]["volumes"]}
    folder = next(variable["value"] for variable in one["env"] if variable["name"] == "TMPDIR")
    assert mounts[folder] in volumes
    assert one["image"] == container(manifest, "scheduler")["image"]
    assert "ENTRYPOINT" not in (ROOT / "Dockerfile").read_text()  # so that `args` are the command

"""Keys and passwords are in nothing that runs write, good ones or bad; addresses that hold some are refused."""

from pathlib import Path
from urllib.parse import quote

import pytest

from heterodub.schemas.errors import SourceError
from heterodub.tasks.sources.open import source_files
from tests.flows.conftest import SECRET_KEY
from tests.tasks.tracking.served import Server, free_port
from tests.tasks.training.talkers import talkers

PASSWORD = "hunter2-of-the-tracker"
SHORT = "[stage1]\npreset = 'tiny'\n[stage1.schedule]\nmax_steps = 2\neval_interval = 2\nsave_interval = 2\n"


@pytest.fixture(scope="module")
def tracker(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("tracker"))
    server.start()
    yield server
    server.stop()


def holds_secret(content: bytes) -> bool:
    return any(secret.encode() in content for secret in (SECRET_KEY, quote(SECRET_KEY, safe=""), PASSWORD))


def files_with_secret(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and holds_secret(path.read_bytes())]


def objects_with_secret(bucket, root: str) -> list[str]:
    return [path for path in bucket.find(root) if holds_secret(bucket.cat_file(path))]


@pytest.mark.long
def test_run_outputs_hold_no_secrets(bucket, commons, config, heterodub, tracker, tmp_path):
    talkers(tmp_path / "talkers", speakers=4, clips=1)
    bucket.put(f"{tmp_path}/talkers/", "lab/trained/", recursive=True)
    bucket.copy("footage/films/head1.mkv", "footage/one/head1.mkv")
    short = tmp_path / "short.toml"
    short.write_text(SHORT)
    named = {"HETERODUB_TRACKING__URI": tracker.uri.replace("//", f"//me:{PASSWORD}@")}
    away = {"HETERODUB_TRACKING__URI": f"http://me:{PASSWORD}@127.0.0.1:{free_port()}"}
    gone = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "AWS_MAX_ATTEMPTS": "1"}
    training = ("train", "stage1", "-w", "s3://lab/trained", "--config", short)
    ingest = ("ingest", "s3://footage/one", "-w", "s3://lab/hushed", "--config", config, "--workers", 1)
    ran = [
        heterodub(*ingest, TMPDIR=str(tmp_path)),
        heterodub(*training, TMPDIR=str(tmp_path), **named),
        heterodub(*training, "--seed", 1, **away),
        heterodub(*ingest, **gone),
        heterodub("ingest", f"s3://someone:{SECRET_KEY}@footage/one", "-w", "s3://lab/hushed"),
        heterodub("status", "-w", f"s3://someone:{SECRET_KEY}@lab/hushed"),
        heterodub("doctor", "-w", "s3://lab/trained", **named),
    ]
    assert [one.returncode for one in ran[:6]] == [0, 0, 1, 1, 1, 1], [one.stderr[-800:] for one in ran]
    assert "credentials" in ran[4].stderr and "credentials" in ran[5].stderr
    assert not [one for one in ran if holds_secret((one.stdout + one.stderr).encode())]
    kept = list(commons.folder.glob("prefect-*/prefect.db*"))  # runs, parameters, logs, artifacts
    assert b"s3://footage/one" in b"".join(path.read_bytes() for path in kept)
    assert [path for path in kept if holds_secret(path.read_bytes())] == []
    assert b"landmark-generator" in (tracker.folder / "server.db").read_bytes()
    assert files_with_secret(tracker.folder) == []
    assert bucket.exists("lab/hushed/audit/audit.html")
    assert objects_with_secret(bucket, "lab") == []
    assert files_with_secret(tmp_path) == []


def test_addresses_with_credentials_are_refused_everywhere(tmp_path, heterodub):
    address = f"s3://someone:{SECRET_KEY}@footage/one"
    (tmp_path / "list.csv").write_text(f"uri\n{address}\n")
    (tmp_path / "corpus.toml").write_text(f"root = '{address}'\n")
    for source in (address, str(tmp_path / "list.csv"), str(tmp_path / "corpus.toml")):
        with pytest.raises(SourceError, match="credentials") as excinfo:
            list(source_files(source))
        assert not holds_secret(str(excinfo.value).encode())
    ran = heterodub("status", HETERODUB_WORKSPACE=address)
    assert ran.returncode == 1 and "credentials" in ran.stderr
    assert not holds_secret(ran.stderr.encode())

"""A few files of the sample, made once, workspaces to analyse them into, and a cluster that may lose its workers."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.policy import Policy
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.job import Analysis, FileJob
from heterodub.tasks.ingestion.process_file import analyse
from heterodub.tasks.ingestion.worker import keep_parts
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.stores.parts import unfinished_parts
from heterodub.tasks.stores.workspace import Workspace
from tests.commons import sample_media
from tests.tasks.ingestion.routed_clips import clip_rows, fill

FILES = (
    "s01-clean.mp4", "s07-silent.mp4", "holiday.mp4", "s04-blink.mp4", "same as s01.mp4", "notes.mp4",
    "upload_failed.mp4",
)  # fmt: skip


@pytest.fixture(scope="session")
def media(commons, tested_demo) -> Path:
    """A folder with these media of the sample, and perhaps others. Read only."""
    return sample_media(commons, tested_demo, FILES)


def settings_in(folder: Path) -> Settings:
    """Settings with a workspace in the folder, which is made; DNSMOS is off to save time."""
    Workspace.open(str(folder / "workspace"), create=True)
    return Settings(workspace=str(folder / "workspace"), clips={"dnsmos_excerpt_s": 0.0}, run={"workers": 1})


def analysed(job: FileJob, settings: Settings, policy: Policy) -> Analysis:
    """Analyse a job in this process, as a worker does."""
    workspace = Workspace.open(settings.workspace)
    with unfinished_parts(workspace) as outgoing:
        result = analyse(job, settings, policy, outgoing)
        return replace(result, parts=keep_parts(job, settings, workspace, outgoing))


def job_of(path: Path, **more) -> FileJob:
    return FileJob(str(path), fingerprint(path), path.stat().st_size, "default", "file:x", **more)


@pytest.fixture
def settings(tmp_path) -> Settings:
    """Settings with a workspace of this test's own."""
    return settings_in(tmp_path)


@pytest.fixture
def job(media) -> Callable[..., FileJob]:
    def make(name: str, **more) -> FileJob:
        return job_of(media / name, **more)

    return make


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    """4,000 rows of `clips`. Read only."""
    return clip_rows()


@pytest.fixture
def workspace(tmp_path, commons, rows) -> Workspace:
    """A copy of a workspace of these rows, to be changed."""
    filled = commons.made_once("routed-clips", partial(fill, rows))
    return Workspace.open(str(shutil.copytree(filled, tmp_path / "workspace")))


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory) -> Iterator[Client]:
    """A local cluster that finds the tests' own work; a worker that is killed is replaced."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.getcwd())
        with open_client(None, 2, tmp_path_factory.mktemp("scratch"), 3) as result:
            yield result

"""A long film through a whole ingest: cut, analysed by two workers, one of which is killed, and by one in one pass."""

import os
import signal

import numpy as np
import pytest

from heterodub.schemas.policy import Policy
from heterodub.tasks.ingestion import driver, schedule
from heterodub.tasks.ingestion.dask_client import open_client
from heterodub.tasks.ingestion.job import Cutting
from heterodub.tasks.monitoring.progress import ProgressSink
from heterodub.tasks.sources.open import source_files
from heterodub.tasks.stores.workspace import Workspace
from tests.flows.heads import contents, head, voice
from tests.tasks.ingestion.conftest import settings_in
from tests.tasks.media.media_files import regular, write_media

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # a film of more than a minute, twice

FRAMES = 1640
LENIENT = Policy.model_validate({"name": "lenient", "version": 1, "stage1": {}, "stage2": {}})


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A film of 66 s with a face on either side of the border at 60 s, and across it."""
    folder = tmp_path_factory.mktemp("films")
    face, room = head(3, 240), np.full((256, 256, 3), 90, np.uint8)
    pictures = [face[at - 1400] if 1400 <= at < 1640 else room for at in range(FRAMES)]
    options = {"preset": "ultrafast", "crf": "18", "g": "50"}
    track = voice(3, FRAMES / 25)
    write_media(folder / "film.mp4", regular(FRAMES), track, size=(256, 256), pictures=pictures, options=options)
    return folder


def ingested(films, folder, workers: int) -> tuple[Workspace, list[str]]:
    """The workspace after an ingest, and the kinds of its tasks."""
    settings = settings_in(folder)
    workspace, kinds = Workspace.open(settings.workspace), []
    files = list(source_files(str(films), "default"))
    spread = driver.spread
    with open_client(None, workers, folder, 3) as client, pytest.MonkeyPatch.context() as patch:

        def watched(*arguments, **more):
            for task, result in spread(*arguments, **more):
                yield task, result
                kinds.append(type(task).__name__)
                if isinstance(task, Cutting):
                    os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)

        patch.setattr(driver, "spread", watched)
        patch.setattr(schedule, "CUT_ABOVE_BYTES", 0)
        patch.setattr(schedule, "LEAST_SEGMENT_S", 30.0)
        driver.work_through(client, workspace, files, settings, LENIENT, ProgressSink())
    return workspace, kinds


def test_two_workers_and_a_kill_give_the_rows_of_one_pass(films, tmp_path):
    whole, kinds = ingested(films, tmp_path / "one", 1)
    assert kinds == ["Identification", "FileJob"]
    cut, kinds = ingested(films, tmp_path / "two", 2)
    assert kinds == ["Identification", "Cutting", "FileJob", "FileJob"]
    expected, actual = contents(whole.root), contents(cut.root)
    spans = [(clip["start_frame"], clip["start_frame"] + clip["frames"]) for clip in expected["clips"]]
    assert any(stop == 1500 for _, stop in spans)
    assert any(first == 1500 for first, _ in spans)
    for table, rows in expected.items():
        assert actual[table] == rows, table

"""One release, and its exports in every format; tests only read them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from heterodub.schemas.config.sections import LimitSettings
from heterodub.tasks.exports.export import ExportRequest, export_release
from heterodub.tasks.reading.workspace import ReleaseReader, WorkspaceReader
from tests.tasks.training.speakers import speakers

FRAMES = 8


@pytest.fixture(scope="session")
def release(tmp_path_factory) -> ReleaseReader:
    """Five speakers, a clip of both stages each: three train, one val, one test."""
    return WorkspaceReader(speakers(tmp_path_factory.mktemp("exports") / "workspace", 5, FRAMES)).release()


@pytest.fixture(scope="session")
def exported(release, tmp_path_factory) -> Callable[[str], Path]:
    """exported("hf"): the folder of the release's export in that format."""
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def export(form: str) -> Path:
        if form not in made:
            made[form] = export_release(release, ExportRequest(form, folder / form), LimitSettings())
        return folder / form

    return export

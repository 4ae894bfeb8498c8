"""Commands about footage are refused before they begin where an extra that the settings need is missing."""

import pytest

from heterodub.schemas.errors import SettingsError
from heterodub.tasks.preflight.data import check_ingest, check_route
from heterodub.tasks.quality import senones
from heterodub.tasks.stores.workspace import Workspace


@pytest.fixture
def scoring(tmp_path, monkeypatch) -> dict[str, str]:
    """A workspace, and settings that ask for senone scores; the recogniser is not installed."""
    monkeypatch.setattr(senones, "find_spec", lambda name: None)
    (tmp_path / "settings.toml").write_text("senones = true\n")
    return {
        "workspace": Workspace.open(str(tmp_path / "workspace"), create=True).root,
        "config": str(tmp_path / "settings.toml"),
    }


def test_missing_recogniser_is_refused(scoring, tmp_path):
    (tmp_path / "film.mp4").touch()
    with pytest.raises(SettingsError, match=r"heterodub\[senones\]"):
        check_ingest(str(tmp_path), **scoring)
    with pytest.raises(SettingsError, match=r"heterodub\[senones\]"):
        check_route(None, **scoring)

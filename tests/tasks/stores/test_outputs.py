"""A foreign file named as an output stays; an earlier output of heterodub is replaced."""

from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.inspect.report.write import write_report, write_trend
from heterodub.tasks.reproduction.study_making import KEY, PAGE, make_study
from heterodub.tasks.reproduction.table import ScoreColumn, Table, TableRow, write_table
from heterodub.tasks.stores.outputs import TABLE_ENDS
from heterodub.tasks.stores.workspace import Workspace

FOREIGN = "uri,speaker\nfilm.mp4,Ada\n"


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(workspace=Workspace.open(str(tmp_path / "ws"), create=True).root)


def test_page_is_replaced_only_by_its_kind(settings, tmp_path):
    page = tmp_path / "page.html"
    for _ in range(2):
        assert write_report(settings, (), page) == str(page)
    with pytest.raises(WorkspaceError, match="is no trend of heterodub"):
        write_trend(settings, page)
    (tmp_path / "empty.html").touch()
    assert write_trend(settings, tmp_path / "empty.html")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(FOREIGN)
    (tmp_path / "link.html").symlink_to(manifest)
    for name in ("manifest.csv", "link.html", "ws/heterodub.json", "ws"):
        with pytest.raises(WorkspaceError, match="is there and is no report"):
            write_report(settings, (), tmp_path / name)
    assert manifest.read_text() == FOREIGN


@pytest.mark.parametrize("end", TABLE_ENDS)
def test_table_is_replaced_only_by_its_kind(tmp_path, end):
    table = Table("table9", "", (ScoreColumn("a", "a", "more"),), (TableRow("x", {}),), {}, (), ())
    foreign = tmp_path / f"table9{end}"
    foreign.write_text(FOREIGN)
    with pytest.raises(WorkspaceError, match=f"table9{end} is there and is no table"):
        write_table(table, tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == [FOREIGN]
    foreign.unlink()
    for _ in range(2):
        assert len(write_table(table, tmp_path)) == 3


@pytest.mark.parametrize("name", [PAGE, KEY])
def test_study_replaces_only_a_study(tmp_path, name):
    for film in ("a.mp4", "b.mp4"):
        (tmp_path / film).touch()
    listing = tmp_path / "videos.csv"
    listing.write_text("clip,system,video,source\nc,s,a.mp4,a.mp4\nc,t,b.mp4,a.mp4\n")
    foreign = tmp_path / "study" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text(FOREIGN)
    with pytest.raises(WorkspaceError, match=f"{Path(name).name} is there and is no"):
        make_study(listing, tmp_path / "study")
    assert foreign.read_text() == FOREIGN

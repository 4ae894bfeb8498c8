from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.policy import load_policy
from heterodub.tasks.identity import correct
from heterodub.tasks.inspect.report.person import gather_person, write_person
from heterodub.tasks.stores.active_policy import set_policy
from tests.tasks.identity.drawn import add, look, people, person, publish
from tests.tasks.stores.sample_store import new_workspace


@pytest.fixture
def ws(tmp_path: Path):
    ws = new_workspace(tmp_path)
    set_policy(ws, load_policy())
    for media in range(3):
        add(ws, media, look(person(0), media), speaker="<b>ann</b>", stage1=False, stage2=False)
    add(ws, 3, look(person(0), 3), speaker="bea", stage1=False, stage2=False)
    publish(ws)
    return ws


def test_page_shows_name_clips_and_doubts_and_escapes_them(ws, tmp_path):
    one = people(ws)[0, 0]
    correct.name_person(ws, one, "<i>Ann</i>", "seen", "me")
    summary = write_person(Settings(workspace=ws.root), one)
    page = Path(summary["page"]).read_text()
    assert summary["page"].endswith(f"reports/person-{one}.html") and summary["clips"] == 3
    assert "&lt;i&gt;Ann&lt;/i&gt;" in page and "<i>" not in page and "<b>ann" not in page
    assert (
        page.count("<figure") == 3
        and "looks like" in Path(write_person(Settings(workspace=ws.root), "bea")["page"]).read_text()
    )


def test_doubtful_clips_come_first_then_one_of_each_file(ws):
    for number in range(1, 4):
        add(ws, 0, None, number=number, start_frame=100 * number, speaker="<b>ann</b>", stage1=False, stage2=False)
    publish(ws)
    clips = gather_person(Settings(workspace=ws.root), people(ws)[0, 0], 4).clips
    assert len({clip["uri"] for clip in clips[:3]}) == 3 and len(clips) == 4


def test_other_files_are_not_replaced_and_nobody_is_named(ws, tmp_path):
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(WorkspaceError):
        write_person(Settings(workspace=ws.root), "bea", tmp_path / "mine.html")
    with pytest.raises(NotFoundError, match="nobody"):
        write_person(Settings(workspace=ws.root), "carl")

from pathlib import Path

from tasks.publishing import audit_pages
from tasks.stores.workspace import Workspace


def test_audits_of_a_remote_workspace_at_once_keep_out_of_each_others_pages(tmp_path: Path):
    ws = Workspace(f"memory://{tmp_path.name}")
    with audit_pages(ws) as one, audit_pages(ws) as other:
        assert one != other
        for number, folder in enumerate((one, other)):
            (folder / "validations").mkdir()
            (folder / "audit.html").write_text("which one")
            (folder / "validations" / f"{number}.html").touch()
    found = {path.removeprefix(f"/{tmp_path.name}/") for path in ws.filesystem().find(ws.path())}
    assert found == {"audit/audit.html", "audit/validations/0.html", "audit/validations/1.html"}
    assert not one.exists() and not other.exists()


def test_a_later_audit_s_page_takes_the_place_of_the_earlier_one(tmp_path: Path):
    ws = Workspace(f"memory://{tmp_path.name}")
    for text in ("first", "second"):
        with audit_pages(ws) as folder:
            (folder / "audit.html").write_text(text)
    assert ws.filesystem().cat_file(ws.path("audit", "audit.html")) == b"second"


def test_those_of_a_local_workspace_are_made_in_place(tmp_path: Path):
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    with audit_pages(ws) as folder:
        assert folder == tmp_path / "ws" / "audit"

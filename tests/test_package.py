"""The wheel: one package, whole, with the data files that it reads, and links as the folders they lead to."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("heterodub", "flows", "model", "schemas", "tasks")
DATA = re.compile(r"\.(toml|html|css|js|npz|json|typed)$")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> ZipFile:
    """Built offline from a copy, since a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for name in PARTS:
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, tree]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, cwd=folder)
    (built,) = folder.glob("*.whl")
    return ZipFile(built)


def test_wheel_holds_one_package(wheel):
    tops = {name.split("/", 1)[0] for name in wheel.namelist()}
    assert len(tops) == 2
    assert "heterodub" in tops
    assert next(name for name in tops if name != "heterodub").endswith(".dist-info")


def test_wheel_holds_every_module_and_data_file(wheel):
    expected = {"heterodub/__init__.py", "heterodub/py.typed"}
    for part in PARTS[1:]:
        files = [path for path in (ROOT / part).rglob("*") if path.suffix == ".py" or DATA.search(path.name)]
        expected |= {f"heterodub/{path.relative_to(ROOT)}" for path in files}
    models = [path for path in (ROOT / "tasks" / "builtin").glob("landmark-*/*") if path.is_file()]
    assert len(models) > 6
    expected |= {f"heterodub/{path.relative_to(ROOT)}" for path in models}
    assert expected <= set(wheel.namelist())
    for name in (
        "schemas/policies/default.toml",
        "tasks/inspect/report/page.html",
        "tasks/quality/sync_network.npz",
    ):
        assert wheel.read(f"heterodub/{name}") == (ROOT / name).read_bytes()


def test_wheel_holds_the_licence(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()


def test_wheel_holds_no_links(wheel):
    assert [one.filename for one in wheel.infolist() if (one.external_attr >> 16) & 0o170000 == 0o120000] == []

"""The import contracts name every folder that they are about: one that is forgotten may import what it likes."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = {
    told["name"]: told
    for told in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
PARTS = {f"tasks.{path.parent.name}" for path in (ROOT / "tasks").glob("*/__init__.py")}


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("Prefect only in flows/ and tasks/*.py", {"schemas", "model", *PARTS}),
        ("Great Expectations only in tasks/validation", {"schemas", "model", "flows", *PARTS} - {"tasks.validation"}),
    ],
)
def test_a_contract_forgets_no_folder_below_tasks(name, named):
    assert len(PARTS) > 20
    assert set(CONTRACTS[name]["source_modules"]) == named

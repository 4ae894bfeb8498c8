"""Contracts between folders that import-linter cannot express: which file alone opens foreign media, addresses,
removals.
"""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
MEDIA_OPENERS = {"av.open": "tasks/media/containers.py", "decord.VideoReader": "tasks/media/decord_pictures.py"}
"""The one file that may call each of what opens foreign media; av.open with mode "w" is no opening."""


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    """All nodes of a file's text; three tests look at each file."""
    return tuple(ast.walk(ast.parse(source)))


def calls(source: str) -> list[str]:
    """Dotted names of the calls in a file that open media to read."""
    result = [node for node in nodes(source) if isinstance(node, ast.Call)]
    names = [ast.unparse(call.func) for call in result if "w" not in [getattr(word, "value", "") for word in call.args]]
    return [
        name for name in names if name in (*MEDIA_OPENERS, "cv2.VideoCapture", "librosa.load", "decord.AudioReader")
    ]


def test_foreign_media_is_opened_in_one_module():
    assert calls("with av.open(path) as a, av.open(out, 'w', 'mp4'): cv2.VideoCapture(0)") == [
        "av.open", "cv2.VideoCapture",
    ]  # fmt: skip
    actual = {
        (name, str(path.relative_to(ROOT)))
        for part in ("schemas", "model", "tasks", "flows")
        for path in (ROOT / part).rglob("*.py")
        for name in calls(path.read_text())
    }
    assert actual == set(MEDIA_OPENERS.items())


_BEHIND_ADDRESSES = {
    "fsspec": {"tasks/stores/remote.py"},
    "aiohttp": {"tasks/stores/remote.py"},
    # Prefect's server, named by whoever starts a command, and that of a run's own
    "urllib.request": {"flows/cli/environment.py", "tasks/steps/own_server.py"},
    "deltalake": {"tasks/stores/delta.py"},  # tables of a workspace, which is opened first
}
"""Packages that open whatever an address says, and the files that may import each."""

_NEVER = ("s3fs", "upath", "requests", "httpx", "urllib3", "http.client", "ftplib", "smart_open", "paramiko")


def openers(source: str) -> set[str]:
    """Return the packages of these that a file imports."""
    result: set[str] = set()
    for node in nodes(source):
        match node:
            case ast.Import(names=names):
                result |= {one.name for one in names}
            case ast.ImportFrom(module=str(module), names=names):
                result |= {f"{module}.{one.name}" for one in names}
    return {one for one in (*_BEHIND_ADDRESSES, *_NEVER) if any(f"{name}.".startswith(f"{one}.") for name in result)}


def test_addresses_are_opened_in_one_module():
    assert openers("from urllib import request\nfrom fsspec.core import url_to_fs\nimport urllib.parse") == {
        "urllib.request", "fsspec",
    }  # fmt: skip
    collected: dict[str, set[str]] = {}
    for part in ("schemas", "model", "tasks", "flows"):
        for path in (ROOT / part).rglob("*.py"):
            for one in openers(path.read_text()):
                collected.setdefault(one, set()).add(str(path.relative_to(ROOT)))
    assert collected == _BEHIND_ADDRESSES


_REMOVERS = {"tasks/stores/removal.py", "tasks/ingestion/scratch.py"}
"""The files that may delete folders; the second, temporary ones of this user, past links as well."""


def removals(source: str) -> list[str]:
    """Dotted names of the calls in a file that delete folders."""
    result = [node.func for node in nodes(source) if isinstance(node, ast.Call)]
    return [
        ast.unparse(one)
        for one in result
        if isinstance(one, ast.Attribute) and one.attr in ("rmtree", "rm", "removedirs")
    ]


def test_folders_are_deleted_in_one_module():
    assert removals("shutil.rmtree(a)\nws.filesystem().rm(b, recursive=True)") == [
        "shutil.rmtree",
        "ws.filesystem().rm",
    ]
    actual = {
        str(path.relative_to(ROOT))
        for part in ("schemas", "model", "tasks", "flows")
        for path in (ROOT / part).rglob("*.py")
        if removals(path.read_text())
    }
    assert actual == _REMOVERS


def test_no_modules_import_in_a_circle():
    graph = grimp.build_graph("heterodub", exclude_type_checking_imports=False)
    imported = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(imported) > 300
    TopologicalSorter(imported).prepare()  # names the circle, if there is one

"""Commands that messages suggest: each exists and is given with its required options."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from heterodub.flows.cli.main import app

ROOT = Path(__file__).parents[3]
SUGGESTED = re.compile(r"`heterodub ([a-z]+)([^`]*)`")
COMMANDS = typer.main.get_command(app).commands


def messages(tree: ast.AST) -> Iterator[str]:
    """Every text in the code, a field of an f-string as {}, without docstrings."""
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inner.add(node.value)  # a docstring
        if isinstance(node, ast.JoinedStr):
            inner.update(node.values)
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner:
            yield node.value


def lacking(text: str) -> list[str]:
    """Return the required options that a suggested command lacks; the command, if there is none."""
    collected = []
    for name, rest in SUGGESTED.findall(text):
        if name not in COMMANDS:
            collected.append(name)
            continue
        needed = [one for one in getattr(COMMANDS[name], "params", []) if one.required and one.opts[0].startswith("--")]
        collected += [f"{name} {one.opts[0]}" for one in needed if one.opts[0] not in rest]
    return collected


@pytest.mark.parametrize("folder", ["tasks", "flows", "schemas"])
def test_suggested_commands_are_valid(folder):
    texts = {path: list(messages(ast.parse(path.read_text()))) for path in (ROOT / folder).rglob("*.py")}
    assert {path.name: wrong for path, result in texts.items() for text in result if (wrong := lacking(text))} == {}


def test_invalid_suggestions_are_detected():
    assert lacking("run `heterodub export newest --format hf`, or `heterodub rollback --to VERSION`") == [
        "export --output",
        "rollback --reason",
    ]
    assert lacking("`heterodub retire X`") == ["retire"]
    assert lacking("`heterodub route` or `heterodub doctor`") == []

"""Examples of commands, and the command that each names at its end."""

import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from heterodub.flows.cli.guide import GUIDES, Guide, next_words
from heterodub.flows.cli.main import app
from tests.tasks.inspect import footage

PROGRAM: Any = typer.main.get_command(app)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return footage.make(tmp_path_factory.mktemp("guide") / "ws").root


def commands(group: Any, above: tuple[str, ...] = ()) -> set[str]:
    """Words of all commands below a group."""
    result: set[str] = set()
    for name, command in group.commands.items():
        words = (*above, name)
        result |= commands(command, words) if hasattr(command, "commands") else {" ".join(words)}
    return result


def parsed(line: str) -> str:
    """Words of the command whose arguments these are; what it does not take is a usage error."""
    words, command, names = shlex.split(line.partition(" > ")[0]), PROGRAM, []
    while hasattr(command, "commands"):
        names.append(words.pop(0))
        command = command.commands[names[-1]]
    command.make_context(" ".join(names), words)
    return " ".join(names)


def test_every_command_has_a_guide():
    assert commands(PROGRAM) == set(GUIDES)


@pytest.mark.parametrize("command", GUIDES)
def test_examples_and_next_commands_are_understood(command: str):
    guide = GUIDES[command]
    assert guide.examples
    assert {parsed(example) for example in guide.examples} == {command}
    given = {
        "workspace": "a b",
        "config": "c.toml",
        "stage": "stage1",
        "model": "m/1",
        "folder": "f",
        "out": "o",
        "output": "p",
    }
    if guide.then.startswith("ingest"):
        given |= {"workspace": None, "config": None}
    assert parsed(next_words(guide, given)) in GUIDES
    for option in guide.then_with:
        assert parsed(next_words(guide, given | {option: "jobs.csv"})) in GUIDES


def test_next_words_take_quoted_arguments_along():
    given = {"model": "it's", "workspace": "s3://lab/a b", "config": None}
    assert next_words(Guide((), "trace {model}"), given) == """trace 'it'"'"'s' -w 's3://lab/a b'"""
    assert next_words(Guide((), "study make V.csv"), given) == "study make V.csv"
    assert next_words(GUIDES["dub"], {"manifest": None}) == "dub --manifest JOBS.csv"
    dubbed = {"out": "a b.mp4", "workspace": "w", "config": "h.toml"}
    assert next_words(GUIDES["dub"], dubbed) == "verify 'a b.mp4' --config h.toml"
    assert next_words(GUIDES["dub"], {"manifest": "it.csv", "workspace": "w"}) == "evaluate dub it.csv -w w"


def test_help_shows_examples_line_by_line():
    lines = CliRunner().invoke(app, ["train", "stage1", "--help"]).stdout.splitlines()
    place = [line.strip() for line in lines].index("Examples:")
    assert [line.strip() for line in lines[place + 1 :]] == [
        f"heterodub {example}" for example in GUIDES["train stage1"].examples
    ]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["status"], "list --clips"),
        (["list"], "explain FILE"),
        (["status", "--json"], None),
        (["list", "--format", "csv"], None),
        (["explain", "nothing-like-it"], None),
        (["takedown", "--speaker", "s1", "--file", "a"], None),
    ],
)
def test_command_names_the_next_one_to_people(root: str, words: list[str], named: str | None):
    ended = CliRunner().invoke(app, [*words, "-w", root])
    lines = [line for line in ended.stderr.splitlines() if line.startswith("next: ")]
    assert lines == ([] if named is None else [f"next: heterodub {named} -w {root}"])
    assert "next: " not in ended.stdout


def test_dry_run_is_followed_by_the_run_itself(tmp_path: Path):
    root = footage.make(tmp_path / "ws").root
    asked = ["takedown", "--file", footage.PLAIN, "--with-models", "--reason", "no consent"]
    ended = CliRunner().invoke(app, [*asked, "--dry-run", "-w", root])
    last = shlex.split(ended.stderr.splitlines()[-1])
    assert sorted(last) == sorted(["next:", "heterodub", *asked, "-w", root])


@pytest.mark.parametrize("program", [["-m", "heterodub"], ["-m", "heterodub.flows.cli.main"]])
def test_version_is_that_of_the_distribution(program: list[str]):
    ran = subprocess.run([sys.executable, *program, "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"heterodub {version('heterodub')}\n"


def test_shell_completion_completes_a_command():
    asked = {"_HETERODUB_COMPLETE": "complete_bash", "COMP_WORDS": "heterodub stat", "COMP_CWORD": "1"}
    program = Path(sys.executable).with_name("heterodub")
    ran = subprocess.run([program], env=os.environ | asked, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["status"]


def test_report_opens_its_page_in_the_browser(root: str, tmp_path: Path):
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    page = tmp_path / "a page.html"
    command = [sys.executable, "-m", "heterodub", "report", "--open", "-o", str(page), "-w", root]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"BROWSER": f"{browser} %s"})
    assert opened.read_text().strip() == page.as_uri()

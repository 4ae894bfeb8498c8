"""The documentation's own code: its check for other hosts, its links, and pages that are made from the program."""

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from heterodub.flows.cli.guide import GUIDES
from heterodub.schemas.config.described import described_settings
from heterodub.schemas.reasons import ClipReason, FileReason
from heterodub.schemas.signals import SIGNALS
from heterodub.schemas.tables import TABLES
from tests.site import foreign

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("documentation_hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "line",
    [
        '<script src="https://unpkg.com/iframe-worker/shim"></script>',
        '<link rel="preconnect stylesheet" href="//fonts.example/css">',
        '<img srcset="a.png 1x, HTTPS://cdn.example/b.png 2x">',
        "<style>@import 'https://fonts.example/x.css';</style>",
        '<p style="background: url(http://cdn.example/x.png)">',
        '<form action="http://count.example/">',
    ],
)
def test_site_that_loads_from_another_host_is_refused(tmp_path, line):
    (tmp_path / "index.html").write_text(f"<html>{line}</html>")
    assert len(list(foreign(tmp_path))) == 1


def test_check_of_the_site_ends_with_an_error(tmp_path):
    (tmp_path / "index.html").write_text('<img src="//cdn.example/a.png">')
    ran = subprocess.run([sys.executable, "-m", "tests.site", tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 1 and "index.html: //cdn.example/a.png" in ran.stderr


def test_site_may_link_to_other_hosts_and_load_its_own_files(tmp_path):
    (tmp_path / "index.html").write_text(
        '<a href="https://arxiv.org">paper</a><script src="a.js"></script><link rel="canonical" href="https://x.example">'
    )
    (tmp_path / "a.css").write_text("a { background: url(b.png) }")
    assert list(foreign(tmp_path)) == []
    (tmp_path / "a.css").write_text("a { background: url('//cdn.example/b.png') }")
    assert list(foreign(tmp_path)) == ["a.css: //cdn.example/b.png"]


@pytest.mark.parametrize(
    ("page", "text", "made"),
    [
        ("index.md", "[a](docs/dub.md#rules)", "[a](dub.md#rules)"),
        ("index.md", "![a](docs/results/dub.jpg)", "![a](results/dub.jpg)"),
        ("index.md", "[`x`](docs/decisions) [y](LICENSE)", "[`x`](decisions/README.md) y"),
        ("sources.md", "[s](../schemas/config/settings.py)", "[s](reference/settings.md)"),
        ("decisions/0020-stage2-signal-scale.md", "[g](../../README.md#python)", "[g](../index.md#python)"),
        ("dub.md", "[i](https://a.b/c) `[x](y)`\n```\n[x](y)\n```", "[i](https://a.b/c) `[x](y)`\n```\n[x](y)\n```"),
    ],
)
def test_links_of_the_repository_lead_to_pages_of_the_site(hooks, page, text, made):
    assert hooks.relinked(text, page) == made


def test_link_that_leads_nowhere_is_warned_of(hooks, caplog):
    with caplog.at_level(logging.WARNING):
        hooks.relinked("[a](docs/gone.md)", "index.md")
    assert "docs/gone.md leads nowhere" in caplog.text  # a warning ends a strict build


def test_reference_names_everything_there_is(hooks):
    pages = {name: make() for name, make in hooks.REFERENCE.items()}
    assert all(f"\n## {command}\n" in pages["cli"] for command in GUIDES)
    assert all(f"`{one.name}`" in pages["signals"] and one.meaning in pages["signals"] for one in SIGNALS)
    assert all(f"`{one}`" in pages["reasons"] for one in (*FileReason, *ClipReason))
    assert all(f"`{name}`" in pages["tables"] for schema in TABLES.values() for name in schema.names)
    for section in described_settings():
        assert f"\n## {section.name or 'At the top'}\n" in pages["settings"]
        assert all(one.description.replace("|", "\\|") in pages["settings"] for one in section.settings)
    assert "at least 0.8, else `face_not_tracked`" in pages["signals"]

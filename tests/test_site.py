"""The documentation's own code: its check for other hosts, its links, and pages that are made from the program."""

import importlib.util
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from heterodub.flows.cli.guide import GUIDES
from heterodub.schemas.config.described import described_settings
from heterodub.schemas.reasons import ClipReason, FileReason
from heterodub.schemas.signals import SIGNALS
from heterodub.schemas.tables import TABLES
from tests.browser import PHONE, needs_browser, opened, overflow, until
from tests.flows.test_guide import parsed
from tests.site import foreign

ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "site"


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
        ("index.md", "![a](docs/results/table1.png)", "![a](results/table1.png)"),
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


def test_links_of_all_pages_lead_somewhere(hooks, caplog):
    sources = {page: ROOT / source for source, page in hooks.ROOT_PAGES.items()}
    sources |= {path.relative_to(ROOT / "docs").as_posix(): path for path in (ROOT / "docs").rglob("*.md")}
    with caplog.at_level(logging.WARNING):
        for page, path in sources.items():
            hooks.relinked(path.read_text("utf-8"), page)
    assert not caplog.messages


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


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_commands_in_the_documentation_are_understood(page):
    for block in re.findall(r"^```\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.match(r"(?:\S*/)?heterodub (.*)", line):
                assert parsed(re.sub(r"\s+#.*", "", match[1])) in GUIDES, line


def test_pictures_are_small():
    pictures = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".webp", ".png", ".jpg")]
    assert pictures and all(path.stat().st_size < 150_000 for path in pictures)


@needs_browser
@pytest.mark.skipif(
    not (SITE / "search" / "search_index.js").exists(), reason="no documentation is built here: make docs"
)
@pytest.mark.parametrize("size", [(1280, 800), PHONE])
def test_built_site_is_searched_from_the_disk_and_asks_no_other_host(size):
    with opened(SITE / "index.html", size) as tab:
        asked = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.reload()
        assert overflow(tab) <= 0
        button = tab.locator("label.md-header__button[for=__search]")  # on a phone the field lies behind it
        if button.is_visible():
            button.click()
        tab.locator(".md-search__input").click()
        tab.keyboard.type("takedown")
        until(tab, "document.querySelectorAll('.md-search-result__item').length > 3")
        assert asked and all(address.startswith("file://") for address in asked)

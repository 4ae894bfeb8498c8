"""Pages that are made while the documentation is built, and links that lead to them.

Pages of the repository's root are shown as they are. The reference comes from what the program itself reads:
docstrings, the command line, settings, signals, reasons, policy and tables. None of it is kept in a file.
"""

import logging
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from heterodub.flows.cli.guide import GUIDES
from heterodub.flows.cli.main import app
from heterodub.schemas.config.described import DescribedSection, described_settings
from heterodub.schemas.policy import REASON_OF, Rule, load_policy
from heterodub.schemas.reasons import QUARANTINE_REASONS, ClipReason, FileReason, Stage
from heterodub.schemas.signals import SIGNALS
from heterodub.schemas.tables import TABLES
from heterodub.tasks.sources.corpus import Corpus

ROOT: Final = Path(__file__).parents[1]
log = logging.getLogger("mkdocs.hooks.heterodub")

ROOT_PAGES: Final = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "THIRD_PARTY.md": "third_party.md",
}
STANDS_FOR: Final = ROOT_PAGES | {
    "docs/decisions": "decisions/README.md",
    "schemas/config/settings.py": "reference/settings.md",
    "schemas/signals.py": "reference/signals.md",
    "schemas/reasons.py": "reference/reasons.md",
    "schemas/tables.py": "reference/tables.md",
    "tasks/sources/corpus.py": "reference/settings.md",
}
"""Page of the site by what a link in the repository leads to."""

API: Final = (
    ("Workspace and releases", ("heterodub.open_workspace", "heterodub.tasks.reading.workspace.WorkspaceReader",
                                "heterodub.tasks.reading.workspace.ReleaseReader")),
    ("Data sets", tuple(f"heterodub.tasks.reading.datasets.{name}" for name in (
        "StageDataset", "SpeechDataset", "FaceDataset", "StageStream", "SpeechSample", "FaceSample"))),
    ("Errors", ("heterodub.schemas.errors",)),
)  # fmt: skip
_LINK: Final = re.compile(r"```.*?```|``.*?``|(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root and the reference."""
    made = {page: (ROOT / source).read_text("utf-8") for source, page in ROOT_PAGES.items()}
    made |= {f"reference/{name}.md": make() for name, make in REFERENCE.items()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links, which are those of the repository, to pages of the site; what has no page keeps its text alone."""
    return relinked(markdown, page.file.src_uri)


def relinked(markdown: str, page: str) -> str:
    """Return a page's text with links for the site. A link that leads nowhere in the repository is warned of."""
    sources = {made: source for source, made in ROOT_PAGES.items()}
    here = posixpath.dirname(sources.get(page, f"docs/{page}"))

    def replaced(match: re.Match[str]) -> str:
        mark, text, target, anchor = match.groups()
        if target is None or "://" in target or target.startswith("mailto:") or page.startswith("reference/"):
            return match[0]
        place = posixpath.normpath(posixpath.join(here, target))
        if not (ROOT / place).exists():
            log.warning("%s: the link to %s leads nowhere", page, target)
        uri = STANDS_FOR.get(place) or (place.removeprefix("docs/") if place.startswith("docs/") else None)
        if uri is None:
            return text
        return f"{mark}[{text}]({posixpath.relpath(uri, posixpath.dirname(page) or '.')}{anchor or ''})"

    return _LINK.sub(replaced, markdown)


def cli_page() -> str:
    """Every command with its arguments, options and examples."""
    top: Any = typer.main.get_command(app)
    text = [
        "# Commands",
        top.help or "",
        "Each command names the next one to run on stderr, unless it answers with JSON or CSV.",
    ]
    for words, command in _commands(top):
        usage, taken = _command(words, command)
        text += [f"## {words}", command.help or "", f"```\n{usage}\n```", taken]
        examples = "\n".join(f"heterodub {example}" for example in GUIDES[words].examples)
        text.append(f"Examples:\n\n```\n{examples}\n```")
    return "\n\n".join(text)


def _commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        words = f"{above} {name}".lstrip()
        yield from _commands(command, words) if hasattr(command, "commands") else ((words, command),)


def _command(words: str, command: Any) -> tuple[str, str]:
    """Return a command's usage line, and the table of what it takes, as its --help has them."""
    context = command.make_context(words, [], resilient_parsing=True)
    usage = f"heterodub {words} {' '.join(command.collect_usage_pieces(context))}"
    records = (one.get_help_record(context) for one in command.params)
    rows = [(f"`{' '.join(name.split())}`", text.strip()) for name, text in filter(None, records)]
    return usage, _table(("argument or option", "meaning"), rows)


def python_page() -> str:
    """The public Python API, from its docstrings."""
    text = ["# Python", "Guide and examples: [Python](../python.md). Units and shapes stand with each function."]
    for title, names in API:
        text += [f"# {title}", *(f"::: {name}" for name in names)]
    return "\n\n".join(text).replace("\n\n# ", "\n\n## ").replace("## Python", "# Python", 1)


def settings_page() -> str:
    """Every setting, with its description and default, and the fields of a corpus file."""
    text = [
        "# Settings",
        "`heterodub.toml` in the working folder, or a file named by `--config`; `HETERODUB_*` variables go before it, "
        "options before those. `heterodub init` writes this list as a commented file. Of trainings these are the "
        "defaults of the preset `cpu`.",
    ]
    for section in described_settings():
        text += [f"## {section.name or 'At the top'}", _sentence(section.description), _settings(section)]
    fields = [(f"`{name}`", field.description or "") for name, field in Corpus.model_fields.items()]
    text += ["## Corpus files", "Guide: [sources](../sources.md).", _table(("field", "meaning"), fields)]
    return "\n\n".join(text)


def _settings(section: DescribedSection) -> str:
    rows = []
    for one in section.settings:
        choices = f" ({', '.join(one.choices)})" if one.choices else ""
        default = "as many as CPUs" if one.name == "workers" else f"`{one.default}`" if one.default else ""
        rows.append((f"`{one.name}`", one.description + choices, default))
    return _table(("setting", "meaning", "default"), rows)


def signals_page() -> str:
    """Every signal, with the limits of the default policy."""
    rules = load_policy().rules()
    rows = [
        (f"`{one.name}`", one.unit, one.meaning, *(_limits(rules, stage, one.name) for stage in Stage))
        for one in SIGNALS
    ]
    head = ("signal", "unit", "meaning", "stage 1", "stage 2")
    return "\n\n".join(
        (
            "# Signals",
            "Numbers measured on every clip, and the limits of the default policy on them. Unit 1: a pure number or a "
            "share. A number that could not be measured is null, with its cause. Grounds of the limits: "
            "[policy](../policy.md).",
            _table(head, rows),
        )
    )


def _limits(rules: Sequence[Rule], stage: Stage, signal: str) -> str:
    bounds = {"min": "at least", "max": "at most", "max_abs": "at most ±"}
    ours = [rule for rule in rules if rule.stage is stage and rule.signal == signal and rule.field in REASON_OF]
    return "; ".join(f"{bounds[rule.direction]} {rule.limit:g}, else `{rule.reason}`" for rule in ours)


def reasons_page() -> str:
    """Every reason of files and clips."""
    files = [
        (f"`{one}`", one.explanation, "quarantined" if one in QUARANTINE_REASONS else "rejected") for one in FileReason
    ]
    limits: dict[str, list[str]] = {}
    for field, reason in REASON_OF.items():
        limits.setdefault(reason, []).append(f"`{field}`")
    clips = [(f"`{one}`", one.explanation, ", ".join(limits.get(one, []))) for one in ClipReason]
    return "\n\n".join(
        (
            "# Reasons",
            "## Of files",
            "A quarantined file could not be worked on; `ingest --retry-quarantined` tries it again. "
            "`same_bytes` makes a file a duplicate.",
            _table(("reason", "meaning", "state"), files),
            "## Of clips",
            "A clip has every reason that applies, for each stage.",
            _table(("reason", "meaning", "limits"), clips),
        )
    )


def tables_page() -> str:
    """Every table and its columns."""
    text = ["# Tables", "Delta tables of a workspace. Reading them from Python: [Python](../python.md)."]
    for name, schema in TABLES.items():
        rows = []
        for field in schema:
            about = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            kind = "struct" if "struct" in str(field.type) else str(field.type)
            rows.append(
                (f"`{field.name}`", kind, about.get("unit", ""), "yes" if field.nullable else "", about["meaning"])
            )
        text += [f"## {name}", _table(("column", "type", "unit", "null", "meaning"), rows)]
    return "\n\n".join(text)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; columns without any content are left out."""
    kept = [at for at, name in enumerate(head) if any(row[at] for row in rows)]
    if not kept:
        return ""
    lines = [[head[at] for at in kept], ["---"] * len(kept), *([row[at] for at in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


REFERENCE: Final[dict[str, Callable[[], str]]] = {
    "cli": cli_page,
    "python": python_page,
    "settings": settings_page,
    "signals": signals_page,
    "reasons": reasons_page,
    "tables": tables_page,
}

"""Examples of each command, shown by its --help, and the command to run after it, named at its end."""

import shlex
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperOption

from heterodub.tasks.monitoring.streams import say

_DRY: Final = ("dry_run", "clips")
"""Options that only a dry run has."""


class Guide(NamedTuple):
    """Arguments of examples, and of the next command; `{name}` stands for an argument of the command that ended.

    then_with: next command where an option was given, by the option's name, in the place of `then`.
    """

    examples: tuple[str, ...]
    then: str
    then_with: Mapping[str, str] = {}


GUIDES: Final = {
    "init": Guide(("init FOLDER", "init /data/interviews -o interviews --force"), "ingest {output}/corpus.toml"),
    "sample": Guide(("sample SAMPLE",), "ingest {folder}/corpus.toml"),
    "ingest": Guide(
        (
            "ingest FOLDER -w WORKSPACE",
            "ingest interviews.toml -w WORKSPACE --workers 8",
            "ingest 's3://bucket/train-{0000..0127}.tar' -w WORKSPACE",
            "ingest labels.csv --columns uri=file,speaker=speaker_id -w WORKSPACE",
            "ingest s3://bucket/films -w s3://bucket/workspace --corpus films",
            "ingest FOLDER --switch -w WORKSPACE",
        ),
        "report",
    ),
    "route": Guide(
        (
            "route --policy strict.toml --dry-run --clips -w WORKSPACE",
            "route --policy strict.toml -w WORKSPACE",
            "route -w WORKSPACE",
        ),
        "status",
    ),
    "status": Guide(
        ("status -w WORKSPACE", "status 3f9a1c -w WORKSPACE", "status -w WORKSPACE --json"), "list --clips"
    ),
    "list": Guide(
        (
            "list --files --state rejected -w WORKSPACE",
            "list --clips --reason noisy --limit 20 -w WORKSPACE",
            "list --clips --format csv -w WORKSPACE > clips.csv",
        ),
        "explain FILE",
    ),
    "explain": Guide(("explain interview.mp4 -w WORKSPACE", "explain 3f9a1c -w WORKSPACE"), "report"),
    "label add": Guide(("label add 3f9a1c --stage stage2 --refuse --reason blurred --by Ann -w WORKSPACE",), "route"),
    "label import": Guide(("label import labels.csv -w WORKSPACE",), "route"),
    "label list": Guide(
        ("label list -w WORKSPACE", "label list --format csv -w WORKSPACE > labels.csv"), "label score"
    ),
    "label remove": Guide(('label remove 3f9a1c --stage stage2 --reason "seen again" -w WORKSPACE',), "route"),
    "label draw": Guide(("label draw 50 -o FOLDER -w WORKSPACE",), "label import labels.csv"),
    "label score": Guide(
        ("label score -w WORKSPACE", "label score --policy strict.toml -w WORKSPACE"),
        "route --policy NEW.toml --dry-run",
    ),
    "doctor": Guide(("doctor -w WORKSPACE", "doctor --audit -w WORKSPACE"), "status"),
    "report": Guide(
        (
            "report --open -w WORKSPACE",
            "report --against strict.toml -w WORKSPACE",
            "report --against newest -w WORKSPACE",
            "report --trend -w WORKSPACE",
            "report --clip 3f9a1c -o page.html -w WORKSPACE",
        ),
        "train stage1",
    ),
    "train stage1": Guide(
        ("train stage1 -w WORKSPACE", "train stage1 --preset tiny --steps 50 -w WORKSPACE"), "evaluate stage1"
    ),
    "train stage2": Guide(("train stage2 -w WORKSPACE", "train stage2 --preset paper -w WORKSPACE"), "evaluate stage2"),
    "train baseline": Guide(("train baseline wav2lip --minutes 8 -w WORKSPACE",), "reproduce table1"),
    "finetune": Guide(("finetune 3f9a1c --seconds 3 -w WORKSPACE",), "ablate finetuning"),
    "evaluate stage1": Guide(
        ("evaluate stage1 -w WORKSPACE", "evaluate stage1 --folds 3 --preset tiny -w WORKSPACE"), "promote stage1"
    ),
    "evaluate stage2": Guide(("evaluate stage2 --model 3 --split val -w WORKSPACE",), "promote stage2"),
    "evaluate dub": Guide(("evaluate dub jobs.csv -w WORKSPACE",), "study make VIDEOS.csv -o STUDY"),
    "ablate data": Guide(("ablate data --stage stage2 -w WORKSPACE",), "reproduce table3"),
    "ablate finetuning": Guide(("ablate finetuning --seconds 3 -w WORKSPACE",), "reproduce table4"),
    "export": Guide(
        (
            "export newest --format webdataset -o SHARDS -w WORKSPACE",
            "export newest --format hf --media -o FOLDER -w WORKSPACE",
        ),
        "report",
    ),
    "retrain": Guide(("retrain interviews.toml films.toml -w WORKSPACE",), "history"),
    "promote": Guide(
        (
            "promote stage1 -w WORKSPACE",
            'promote stage2 --model 3 --override --reason "first champion" -w WORKSPACE',
        ),
        "history {stage}",
    ),
    "rollback": Guide(
        ('rollback --reason "worse on long films" -w WORKSPACE', 'rollback --to 2 --reason "a test" -w WORKSPACE'),
        "history {stage}",
    ),
    "history": Guide(("history stage1 -w WORKSPACE",), "trace landmark-generator@champion"),
    "fetch": Guide(("fetch landmark-generator@champion FOLDER -w WORKSPACE",), "trace {model}"),
    "benchmark": Guide(
        ("benchmark stage1 -w WORKSPACE", 'benchmark stage1 --refreeze --reason "more speakers" -w WORKSPACE'),
        "evaluate {stage}",
    ),
    "trace": Guide(("trace landmark-generator@champion -w WORKSPACE", "trace interview.mp4 -w WORKSPACE"), "status"),
    "takedown": Guide(
        (
            "takedown --speaker NAME --dry-run -w WORKSPACE",
            'takedown --file interview.mp4 --with-models --reason "consent withdrawn" -w WORKSPACE',
        ),
        "doctor",
    ),
    "speakers list": Guide(
        ("speakers list -w WORKSPACE", "speakers list --doubts --format csv -w WORKSPACE"), "speakers show PERSON"
    ),
    "speakers show": Guide(("speakers show p3f9a1c -w WORKSPACE",), "speakers name PERSON NAME"),
    "speakers merge": Guide(('speakers merge p3f9a1c "Ann Lee" --reason "the same scar" -w WORKSPACE',), "route"),
    "speakers split": Guide(('speakers split p3f9a1c interview.mp4 --reason "her sister" -w WORKSPACE',), "route"),
    "speakers name": Guide(('speakers name p3f9a1c "Ann Lee" -w WORKSPACE',), "route"),
    "speakers undo": Guide(("speakers undo 3 -w WORKSPACE",), "route"),
    "relocate": Guide(("relocate -w WORKSPACE",), "doctor"),
    "migrate": Guide(("migrate --dry-run -w WORKSPACE", "migrate -w WORKSPACE"), "doctor"),
    "dub": Guide(
        (
            "dub film.mp4 speech.wav -o dubbed.mp4 -w WORKSPACE",
            "dub film.mp4 --speech-from other.mp4 -o dubbed.mp4 --translator warp -w WORKSPACE",
            "dub film.mp4 --turns turns.csv --speech ANNA=anna.wav --person ANNA=left -o dubbed.mp4",
            "dub --manifest jobs.csv -w WORKSPACE",
        ),
        "dub --manifest JOBS.csv",
        {"manifest": "evaluate dub {manifest}", "out": "verify {out}"},
    ),
    "verify": Guide(("verify dubbed.mp4", "verify dubbed.mp4 --json"), "dub --manifest JOBS.csv"),
    "reproduce": Guide(("reproduce table3 --minutes 40 --folds 3 -w WORKSPACE",), "study make VIDEOS.csv -o STUDY"),
    "study make": Guide(("study make videos.csv -o STUDY",), "study score {out}/key.json ANSWERS"),
    "study score": Guide(("study score STUDY/key.json answers/ -o RESULTS",), "reproduce table1"),
}
"""By the words of the command."""


class GuidedCommand(TyperCommand):
    """A command that names the next one when it has done all that was asked, unless a program reads its answer."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        result = super().invoke(ctx)
        guide = GUIDES.get(_words(ctx.command_path))
        if guide is not None and not _read_by_a_program(ctx.params):
            words = wet_words(ctx) if ctx.params.get("dry_run") else next_words(guide, ctx.params)
            say(f"next: heterodub {words}", error=True)
        return result


def attach(app: typer.Typer, *above: str) -> None:
    """Give every command of an application its guide: examples, and the line at its end."""
    for command in app.registered_commands:
        name = str(command.name or getattr(command.callback, "__name__", ""))
        command.cls = GuidedCommand
        if guide := GUIDES.get(" ".join((*above, name))):
            lines = (f"  heterodub {example}" for example in guide.examples)
            command.epilog = "\n".join(("\b", "Examples:", *lines))  # \b: as it stands
    for group in app.registered_groups:
        if group.typer_instance is not None:
            attach(group.typer_instance, *above, str(group.name))


def next_words(guide: Guide, given: Mapping[str, Any]) -> str:
    """Return the arguments of the next command, with the workspace and the settings file of the one that ended."""
    quoted = {name: shlex.quote(str(value)) for name, value in given.items()}
    then = next((words for name, words in guide.then_with.items() if given.get(name) is not None), guide.then)
    words = [then.format_map(quoted)]
    if not then.startswith("study"):
        options = (("workspace", "-w"), ("config", "--config"))[then.startswith("verify") :]
        words += [f"{option} {quoted[name]}" for name, option in options if given.get(name) is not None]
    return " ".join(words)


def wet_words(ctx: Any) -> str:
    """Return the words of a command that was a dry run, to do what it showed."""
    words = [_words(ctx.command_path)]
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name)
        if parameter.name not in _DRY and value not in (None, False, parameter.get_default(ctx)):
            words += parameter.opts[-1:] if isinstance(parameter, TyperOption) else []
            words += [] if value is True else [shlex.quote(str(value))]
    return " ".join(words)


def _words(path: str) -> str:
    """Return the words of a command without the program's name, which may be several: python -m heterodub status."""
    words = path.split()
    return next((known for size in (2, 1) if (known := " ".join(words[-size:])) in GUIDES), "")


def _read_by_a_program(given: Mapping[str, Any]) -> bool:
    return bool(given.get("as_json")) or given.get("form") in ("csv", "json")

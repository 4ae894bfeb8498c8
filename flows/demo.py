"""`make demo`: sample, ingest, report, training, evaluation, first champions, and a dubbing on a page that plays it.

All steps run in this process, under the settings that are written beside the workspace.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from heterodub.flows.cli.environment import configure_environment, find_server
from heterodub.tasks.monitoring.streams import escape_output, say
from heterodub.tasks.steps.own_server import await_own_server

MODELS: Final = (("stage1", 100), ("stage1", None), ("stage2", None))
"""Stage and steps of each training, one after the other; without a number, as the settings say. So the second landmark
generator has a champion to beat, and there is one to roll back to."""

SETTINGS: Final = """\
# Settings of the demo: small networks, trained for half a minute each, so that the whole takes minutes on two cores.
# They show that every step works. They are no measure of what the method can do.

[splits]  # the default policy decides on 12 clips of 6 speakers or more: with tenths, so small a corpus has too few
test_share = 0.45
val_share = 0.18

[run]
workers = 2

[stage1]
preset = "tiny"
optimiser = { learning_rate = 6e-3 }
data = { batch_size = 8 }
schedule = { max_steps = 400, eval_interval = 200, save_interval = 400, sample_interval = 400 }

[stage2]
preset = "tiny"
optimiser = { learning_rate = 1e-3, warmup_steps = 10, ema_decay = 0.9 }
data = { batch_size = 4, references = 4 }
losses = { disc_start_step = 200 }
schedule = { max_steps = 60, eval_interval = 60, save_interval = 60, sample_interval = 60 }
"""

PROVENANCE: Final = """
[provenance]  # a certificate for trials, which no authority vouches for: `heterodub verify` says so
certificate = {certificate}
private_key = {key}
watermark = true
"""

VIDEO: Final = "s15-take1.mp4"
"""Dubbed: a speaker of the test split, whom no training has seen."""
SPEECH: Final = "s01-radio.m4a"

T = TypeVar("T")


def main() -> int:
    """Run the demo in the folder named on the command line; returns the exit code."""
    escape_output()
    configure_environment()
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("demo"))
    parser.add_argument(
        "--ingest-only", action="store_true", help="a film of every kind, ingested and checked; no models"
    )
    chosen = parser.parse_args()
    return Demo(chosen.folder, chosen.ingest_only).run()


class Demo:
    """The steps of the demo in a folder. Finished ones are not repeated when it is run again."""

    def __init__(self, folder: Path, ingest_only: bool = False) -> None:
        self.ingest_only = ingest_only
        self.sample, self.workspace = folder / "sample", str(folder / "workspace")
        self.config, self.page, self.dub = folder / "heterodub.toml", folder / "demo.html", folder / "dub"
        self.where = {"workspace": self.workspace, "config": str(self.config)}
        self.took_s: dict[str, float] = {}

    def run(self) -> int:
        """Run all steps; returns the exit code."""
        from heterodub.flows.cli.render.ingest import show_truth

        if not (self.sample / "corpus.toml").exists():
            self.step("sample: talking heads whose truth is known", self.make_sample)
        self.config.write_text(SETTINGS, "utf-8")
        find_server()
        await_own_server()
        agreement = self.step("ingest", self.ingest)
        show_truth(agreement)
        if agreement.disagreements or self.ingest_only:
            return int(bool(agreement.disagreements))
        say(self.step("report", self.report))
        models = [self.once(f"model{number}", *model) for number, model in enumerate(MODELS, start=1)]
        self.step("dub", self.make_dub)
        self.write_page(models)
        self.say_next_steps()
        return 0

    def once(self, name: str, stage: str, steps: int | None) -> dict[str, Any]:
        """Return what an earlier run kept of a model, or make it now."""
        kept = self.config.with_name(f"{name}.json")
        if not kept.exists():
            kept.write_text(json.dumps(self.make_model(stage, steps), default=str), "utf-8")
        result: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        return result

    def make_model(self, stage: str, steps: int | None) -> dict[str, Any]:
        """Train a model, score it and let the default policy decide on it; returns the three summaries."""
        what = f"{stage}, {steps} steps" if steps else stage
        return {
            "trained": self.step(f"train {what}", self.train, stage, steps),
            "scores": self.step(f"evaluate {what}", self.evaluate, stage),
            "promoted": self.step(f"promote {what}", self.promote, stage, steps is None),
        }

    def step(self, name: str, work: Callable[..., T], *arguments: Any) -> T:
        """Run a step under its title, and keep how long it took."""
        say(f"\n== {name}", error=True)
        started = time.monotonic()
        result = work(*arguments)
        self.took_s[name] = time.monotonic() - started
        say(f"== {self.took_s[name]:.0f} s", error=True)
        return result

    def make_sample(self) -> None:
        """Make the whole sample; for the ingest alone, the file of every kind."""
        from heterodub.tasks.synthetic.kinds import KINDS, ROWS
        from heterodub.tasks.synthetic.make import make_sample

        make_sample(self.sample, only={row.file for row in (KINDS if self.ingest_only else ROWS)})

    def ingest(self) -> Any:
        """Ingest the sample; returns the agreement with its truth."""
        from heterodub.flows.cli.progress import run_shown
        from heterodub.flows.cli.render.ingest import show_summary
        from heterodub.flows.ingest import ingest
        from heterodub.tasks.synthetic.truth import compare

        show_summary(run_shown(ingest, str(self.sample / "corpus.toml"), **self.where))
        return compare(self.sample, self.workspace)

    def report(self) -> str:
        """Write the report; returns where it is."""
        from heterodub.schemas.config.settings import load_settings
        from heterodub.tasks.inspect.report.write import write_report

        return write_report(load_settings(self.config, workspace=self.workspace))

    def train(self, stage: Any, steps: int | None) -> dict[str, Any]:
        """Train a stage."""
        from heterodub.flows.cli.options import show_labelled
        from heterodub.flows.cli.progress import run_shown
        from heterodub.flows.train import train

        summary = run_shown(train, stage, steps=steps, **self.where)
        show_labelled(summary)
        return summary

    def evaluate(self, stage: Any) -> dict[str, Any]:
        """Score a stage's newest model on the val split; its promotion scores it on the benchmark."""
        from heterodub.flows.cli.progress import run_shown
        from heterodub.flows.cli.render.scores import show_scores
        from heterodub.flows.evaluate import evaluate

        summary = run_shown(evaluate, stage, split="val", **self.where)
        show_scores(summary)
        return summary

    def promote(self, stage: Any, is_needed: bool) -> dict[str, Any]:
        """Let the default policy decide on a stage's newest model.

        is_needed: where it leaves the stage without any champion, an override makes one, which ledger and page tell.
        """
        from heterodub.flows.cli.progress import run_shown
        from heterodub.flows.cli.render.promotion import show_move, show_promotion
        from heterodub.flows.promote import promote
        from heterodub.tasks.promotion.manual import override

        summary = run_shown(promote, stage, **self.where)
        show_promotion(summary)
        if summary["champion"] is None and is_needed:
            move = override("the policy refused it, and the demo needs one to dub with", stage, **self.where)
            show_move(move)
            summary |= {"champion": move["to_version"], "outcome": "refused by the policy, champion by override"}
        return summary

    def make_dub(self) -> None:
        """Dub a video by the champions, with another speaker's words, sign it, and verify it."""
        from heterodub.flows.cli.dub import dub_one
        from heterodub.flows.cli.render.ingest import show_dubbings
        from heterodub.flows.cli.render.provenance import show_verification
        from heterodub.schemas.config.settings import load_settings
        from heterodub.tasks.provenance.verify import verify_file

        self.dub.mkdir(exist_ok=True)
        self.write_certificate()
        media = self.sample / "media"
        job = {"video": str(media / VIDEO), "speech": str(media / SPEECH), "out": str(self.dub / "dub.mp4")}
        summary = dub_one(job, "@champion", "@champion", self.workspace, self.config)
        show_dubbings(summary)
        show_verification(verify_file(job["out"], load_settings(self.config)))

    def write_certificate(self) -> None:
        """Write a certificate for trials, and the settings that sign with it."""
        from heterodub.tasks.provenance.trial import write_trial_certificate

        certificate, key = (json.dumps(str(path.absolute())) for path in write_trial_certificate(self.config.parent))
        self.config.write_text(SETTINGS + PROVENANCE.format(certificate=certificate, key=key), "utf-8")

    def write_page(self, models: list[dict[str, Any]]) -> None:
        """Write the page with source and dub side by side."""
        from heterodub.tasks.inspect.demo_page import write_demo_page

        source, dub = self.sample / "media" / VIDEO, self.dub / "dub.mp4"
        write_demo_page(self.page, source, dub, models, self.took_s, self.next_steps())

    def next_steps(self) -> list[str]:
        """Return commands to go on with."""
        command, media = Path(sys.executable).with_name("heterodub"), self.sample / "media"
        return [
            f"{command} {words} -w {self.workspace}"
            for words in (
                f"dub {media}/s11-take1.mp4 {media}/{SPEECH} -o {self.dub}/another.mp4",
                "explain s05-newsreel.mp4",
                "trace landmark-generator@champion",
                "history",
                "doctor",
                "status",
            )
        ]

    def say_next_steps(self) -> None:
        """Print the commands, and the page's path last."""
        say("next:")
        for line in self.next_steps():
            say(f"  {line}")
        say("the dubbing, beside its source, and how well the models do:")
        say(str(self.page.absolute()))


if __name__ == "__main__":
    raise SystemExit(main())

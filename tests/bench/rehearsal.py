"""Preset `paper` at a quarter of its width for 300 steps on a CPU: do its losses fall, and do its discriminators live?

`python -m tests.bench.rehearsal WORKSPACE [CURVES.webp]`, on the newest release. What is scaled down: width, batch and
side, so that a step takes a fraction of a second, and all intervals of the schedule with its length.
EfficientNet-Lite0 stands in for VGG-19 and VGGFace, which are downloads.
"""

import io
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from heterodub.model.training.callbacks import Callback, StepMetrics
from heterodub.schemas.config.settings import WeightSettings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import find_release, select
from heterodub.tasks.training.run import run_training
from heterodub.tasks.training.stage2 import translator_spec
from heterodub.tasks.visualization.charts import new_figure, png

STEPS, DISC_START, _ENDS = 300, 75, 40
FALLING = ("perceptual", "multiscale_l1")
"""Losses that have to fall: the distances from the truth, the second of which weighs nothing and is a witness. Patch
losses and feature matching are measured by discriminators that learn meanwhile: they are a contest and may rise."""


def settings(steps: int = STEPS, disc_start: int = DISC_START) -> Stage2Settings:
    """Return the preset, made small."""
    paper = Stage2Settings(preset="paper")
    return Stage2Settings(
        preset="paper",
        architecture={"side_px": 64, "width": paper.architecture.width // 4, "embedding_dim": 128, "blocks": 6},
        discriminators={"width": paper.discriminators.width // 4, "layers": 3, "scales": 2},
        losses={"perception": "lite0", "face_recognition": False, "disc_start_step": disc_start},
        optimiser={"warmup_steps": max(1, steps // 10), "ema_decay": 0.9},
        data={"batch_size": 2, "num_workers": 0, "buffer_frames": 4_000},
        schedule={"max_steps": steps, "eval_interval": steps, "save_interval": 50, "sample_interval": 2 * steps},
        precision="32-true",
    )


class Curves(Callback):
    """Keeps the losses of each step."""

    def __init__(self) -> None:
        self.losses: dict[str, list[float]] = {}
        self.first: dict[str, int] = {}

    def on_train_step_end(self, report: StepMetrics) -> None:
        """Keep a step."""
        for name, value in report.losses.items():
            self.first.setdefault(name, report.step)
            self.losses.setdefault(name, []).append(value)
        if report.step % 10 == 0:
            print(report.step, json.dumps({name: round(value, 3) for name, value in report.losses.items()}), flush=True)


def findings(losses: Mapping[str, list[float]], ends: int = _ENDS) -> list[str]:
    """Return what is wrong with a training: losses that did not fall, discriminators that know nothing or all."""
    wrong = []
    for name in FALLING:
        first, last = float(np.mean(losses[name][: ends // 2])), float(np.mean(losses[name][-ends:]))
        if not last < first:
            wrong.append(f"{name} went from {first:.3f} to {last:.3f}")
    contest = float(np.mean(losses["discriminators"][-ends:]))
    most = 4.0  # of two discriminators that tell nothing: a hinge of 2 each
    if not 0.05 * most < contest < most:
        wrong.append(f"the discriminators' loss ended at {contest:.2f}: 0 is a discriminator that has won, {most} none")
    return wrong


def curves(callback: Curves) -> bytes:
    """Draw losses over steps as a PNG."""
    figure = new_figure(9.0, 3.0, "")
    panels = figure.subplots(1, 3)
    groups = ("perceptual",), ("spatial_matching", "temporal_matching"), ("discriminators", "spatial", "temporal")
    for panel, names in zip(panels, groups, strict=True):
        for name in names:
            values = callback.losses[name]
            smooth = np.convolve(np.pad(values, 10, mode="edge"), np.ones(21) / 21, mode="valid")
            (line,) = panel.plot(range(callback.first[name], callback.first[name] + len(values)), smooth, label=name)
            panel.plot(
                range(callback.first[name], callback.first[name] + len(values)),
                values,
                alpha=0.2,
                color=line.get_color(),
            )
        panel.set_xlabel("step")
        panel.legend(frameon=False, fontsize=8)
    return png(figure)


def main() -> None:
    """Train, print what is wrong, and write the curves."""
    workspace = Workspace.open(sys.argv[1])
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    callback = Curves()
    with tempfile.TemporaryDirectory(prefix="heterodub-rehearsal-") as folder:
        run_training(translator_spec(selection, settings(), WeightSettings()), Path(folder) / "t", callback)
    if len(sys.argv) > 2:
        Image.open(io.BytesIO(curves(callback))).save(sys.argv[2], quality=80)
    for name, values in callback.losses.items():
        print(f"{name:20s} {np.mean(values[: _ENDS // 2]):.3f} -> {np.mean(values[-_ENDS:]):.3f}")
    wrong = findings(callback.losses)
    print("; ".join(wrong) or "all losses fell, and the discriminators are alive")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()

"""From a release to a registered model."""

from typing import Any, Literal

from prefect import flow

from schemas.settings import load_settings
from tasks.train import choose_clips, learn_stage1, show_training


@flow(name="train")
def train(
    stage: Literal["stage1"] = "stage1",
    release: str | None = None,
    workspace: str | None = None,
    config: str | None = None,
    profile: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train a stage on a release, log the run to MLflow and register the model.

    release: its id; without one, the newest. workspace, profile, steps, seed: in place of what `config` (else
    heterodub.toml) and HETERODUB_* variables say where the flow runs. fresh: do not go on from the checkpoint that the
    same training left. Returns the training's summary.

    Raises: HeterodubError - the release, the settings, the store or the tracking server; the text says what to do.
    """
    chosen = {"profile": profile, "seed": seed, "pace": {"steps": steps}}
    settings = load_settings(config, workspace=workspace, stage1=chosen)
    registered = learn_stage1(choose_clips(settings, release), settings, fresh)
    return show_training(registered)

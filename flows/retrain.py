"""On a schedule: ingest, and where the footage changed enough, train, evaluate and promote."""

import time
from typing import Any, Literal, NamedTuple

from prefect import flow

from flows.evaluate import evaluate
from flows.ingest import ingest
from flows.promote import promote
from flows.train import train
from schemas.config.retraining import StageName
from schemas.config.settings import Settings
from schemas.errors import HeterodubError, RetrainError
from tasks.monitoring.run_log import recorded
from tasks.preflight.models import check_retrain
from tasks.retraining import summary
from tasks.steps.retrain import keep_scores, show_retraining, weigh_stage


class Where(NamedTuple):
    """What every step is told."""

    workspace: str | None
    config: str | None


@flow(name="retrain")
@recorded("retrain")
def retrain(
    corpora: list[str] | None = None,
    stage: Literal["both", "stage1", "stage2"] = "both",
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Ingest corpora; train each stage whose footage changed enough, score it, and put it to the gate.

    A step that fails leaves the champion as it was, and the same run again goes on behind the last step that ended
    well: what is done is known from the workspace and the model registry.

    Args:
        corpora: Corpus files, manifests, folders or URIs to ingest first; else what the settings name.
        stage: The stages that are looked at.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.

    Returns what became of every corpus and stage.

    Raises: RetrainError - a step failed; the other stage was done all the same. SettingsError.
    """
    started = time.monotonic()
    settings, where = check_retrain(workspace, config), Where(workspace, config)
    fed = [_ingested(corpus, where) for corpus in (settings.retrain.corpora if corpora is None else corpora)]
    stages: tuple[StageName, ...] = ("stage1", "stage2") if stage == "both" else (stage,)
    whole = not any(one["error"] for one in fed)
    renewed = [_renewed(settings, one, where) for one in stages] if whole else []
    told: dict[str, Any] = show_retraining(fed, renewed, time.monotonic() - started)
    if told["failed"]:
        raise RetrainError("; ".join(told["failed"]), told)
    return told


def _ingested(corpus: str, where: Where) -> dict[str, Any]:
    try:
        return summary.ingested(corpus, ingest(corpus, workspace=where.workspace, config=where.config))
    except HeterodubError as error:
        return summary.not_ingested(corpus, error)


def _renewed(settings: Settings, stage: StageName, where: Where) -> dict[str, Any]:
    """Train, score, promote, each only if it was not done before. One stage's failure does not stop the other."""
    try:
        outlook = weigh_stage(settings, stage)
        if not outlook.due:
            return summary.left_alone(outlook)
        version = outlook.trained or int(train(stage, outlook.release, where.workspace, where.config)["version"])
        named = str(version)
        if not outlook.evaluated:
            scores = evaluate(
                stage, named, outlook.release, workspace=where.workspace, config=where.config
            )  # fmt: skip
            keep_scores(settings, outlook, version, scores)
        judged = promote(stage, named, workspace=where.workspace, config=where.config)
        return summary.renewed(outlook, version, judged)
    except HeterodubError as error:
        return summary.broken(stage, error)

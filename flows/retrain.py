"""Scheduled retraining: ingest, and where the footage changed enough, train, evaluate and promote."""

import time
from typing import Any, Literal, NamedTuple

from prefect import flow

from heterodub.flows.evaluate import evaluate
from heterodub.flows.ingest import ingest
from heterodub.flows.promote import promote
from heterodub.flows.train import train
from heterodub.schemas.config.sections import StageName
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import RetrainError
from heterodub.tasks.preflight.models import check_retrain
from heterodub.tasks.promotion import retraining_summary as outcomes
from heterodub.tasks.steps.names import run_name
from heterodub.tasks.steps.recorded import recorded
from heterodub.tasks.steps.retrain import decide_stage, log_training_scores, show_retraining


class Where(NamedTuple):
    """Arguments that every step shares."""

    workspace: str | None
    config: str | None


@flow(name="retrain", flow_run_name=run_name("retrain", "stage", "corpora"))
@recorded("retrain")
def retrain(
    corpora: list[str] | None = None,
    stage: Literal["both", "stage1", "stage2"] = "both",
    workspace: str | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """Ingest corpora; train each stage whose footage changed enough, score it, and put it to the gate.

    A step that fails leaves the champion as it was, and stops neither the other corpora nor the other stage. Where no
    corpus could be ingested, nothing is trained. The same run again continues after the last step that succeeded:
    finished steps are read from the workspace and the model registry.

    Args:
        corpora: Corpus files, manifests, folders or URIs to ingest first; else what the settings name.
        stage: Stages to retrain.
        workspace: Folder or URI that holds every table; else as the settings say.
        config: Settings file where the flow runs; else heterodub.toml in its working folder.

    Returns the outcome of every corpus and stage.

    Raises: RetrainError - a step failed; all others were done. SettingsError.
    """
    started = time.monotonic()
    settings, where = check_retrain(workspace, config), Where(workspace, config)
    ingests = [_ingest_corpus(corpus, where) for corpus in (settings.retrain.corpora if corpora is None else corpora)]
    stages: tuple[StageName, ...] = ("stage1", "stage2") if stage == "both" else (stage,)
    all_failed = bool(ingests) and all(ingest["error"] for ingest in ingests)
    stages_done = [] if all_failed else [_retrain_stage(settings, name, where) for name in stages]
    summary: dict[str, Any] = show_retraining(ingests, stages_done, time.monotonic() - started)
    if summary["failed"]:
        raise RetrainError("; ".join(summary["failed"]), summary)
    return summary


def _ingest_corpus(corpus: str, where: Where) -> dict[str, Any]:
    try:
        return outcomes.ingested(corpus, ingest(corpus, workspace=where.workspace, config=where.config))
    except Exception as error:  # noqa: BLE001 - it does not concern the other corpora
        return outcomes.not_ingested(corpus, outcomes.in_words(error))


def _retrain_stage(settings: Settings, stage: StageName, where: Where) -> dict[str, Any]:
    """Train, score, promote, each only if it was not done before."""
    try:
        outlook = decide_stage(settings, stage)
        if not outlook.due:
            return outcomes.unchanged(outlook)
        version = outlook.trained or int(train(stage, outlook.release, where.workspace, where.config)["version"])
        named = str(version)
        if not outlook.evaluated:
            scores = evaluate(
                stage, named, outlook.release, workspace=where.workspace, config=where.config
            )  # fmt: skip
            log_training_scores(settings, outlook, version, scores)
        promotion = promote(stage, named, workspace=where.workspace, config=where.config)
        return outcomes.retrained(outlook, version, promotion)
    except Exception as error:  # noqa: BLE001 - it does not concern the other stage
        return outcomes.failed(stage, outcomes.in_words(error))

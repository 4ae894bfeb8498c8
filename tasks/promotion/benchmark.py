"""The frozen benchmark that a stage's models are evaluated on."""

from typing import Any

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases import benchmarks, releases
from heterodub.tasks.releases.benchmarks import Benchmark
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import find_release

from .evaluators import evaluator_of


def current_benchmark(ws: Workspace, stage: Stage, reason: str, refreeze: bool = False) -> Benchmark:
    """Return the frozen benchmark of the newest release's line, compared with the stored clips; freeze one, for this
    reason, if there is none or `refreeze` is set.

    Raises: PromotionError - the test split is empty, or the benchmark is not what is stored. NotFoundError.
    """
    frozen = benchmarks.freeze(ws, find_release(ws, None), stage, reason, refreeze)
    benchmarks.verify(ws, frozen, releases.current_versions(ws)[stage.value])
    return frozen


def benchmark_summary(settings: Settings, stage: str, refreeze: bool, reason: str) -> dict[str, Any]:
    """Return the facts of a stage's benchmark. Raises: as current_benchmark."""
    ws = Workspace.open(settings.workspace)
    frozen = current_benchmark(ws, evaluator_of(stage).stage, reason, refreeze)
    facts = {
        name: getattr(frozen, name) for name in ("benchmark", "sequence", "line", "created_utc", "release", "reason")
    }
    return facts | {"clips": len(frozen.clips), "speakers": frozen.speakers}

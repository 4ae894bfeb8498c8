"""Samples of landmark translators on clips of the benchmark: contact sheets, and a film of all beside the truth."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from model.io import load_translator
from model.stage2.inference import TranslatorInference
from schemas.config.settings import Settings
from schemas.promotion import ModelRule
from schemas.reasons import Stage
from tasks.releases.benchmarks import Benchmark
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import find_release
from tasks.training.data.clip_store import StoredClips
from tasks.training.device import device_of
from tasks.training.samples import columns
from tasks.visualization.sheets import Columns, contact_sheet, crop_film

from .model_scores import Rendering, Renderings
from .translator_evaluator import eval_windows

_ROWS: Final = 3


def render_translators(
    workspace: Workspace,
    settings: Settings,
    benchmark: Benchmark,
    candidates: Mapping[int, Path],
    rule: ModelRule,
    clips: Sequence[str],
) -> Renderings:
    """Render a contact sheet of each clip for each version, and a silent film of all.

    Raises: ModelFileError - a translator cannot be read. NotFoundError, WorkspaceError - a clip cannot be read.
    """
    stored = StoredClips.of(workspace, Stage.STAGE2, find_release(workspace, None).versions[Stage.STAGE2.value])
    chosen = [clip for clip in benchmark.clips if clip.clip_id in clips]
    device = device_of(settings.device)
    translators = {
        version: TranslatorInference(load_translator(folder, device)[0]) for version, folder in candidates.items()
    }
    side_px = next(iter(translators.values())).side_px  # one size, else they were not evaluated
    drawn = {}
    for eval_window in eval_windows(stored, chosen, side_px, rule.references):
        shown = {version: columns(eval_window, translator) for version, translator in translators.items()}
        sheets = {version: (contact_sheet(columns_of, _ROWS),) for version, columns_of in shown.items()}
        beside = {f"version {version}": columns_of["generated"] for version, columns_of in shown.items()}
        drawn[eval_window.clip.clip_id] = Rendering(sheets, _film(beside | {"true": eval_window.crops}))
    return drawn


def _film(beside: Columns) -> bytes:
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        path = Path(scratch) / "film.mp4"
        crop_film(path, beside)
        return path.read_bytes()

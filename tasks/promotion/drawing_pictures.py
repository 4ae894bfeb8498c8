"""Draws landmark translators on clips of the benchmark: contact sheets, and all of them beside the truth in a film."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from model.stage2.files import load_translator
from model.stage2.inference import PainterTranslator
from schemas.promotion import ModelRule
from schemas.reasons import Stage
from schemas.settings import Settings
from tasks.drawing.sheets import Columns, contact_sheet, crop_film
from tasks.feeding.stored_clips import StoredClips
from tasks.learning.device import device_of
from tasks.learning.paintings import columns
from tasks.learning.selection import find_release
from tasks.stores.benchmarks import Benchmark
from tasks.stores.workspace import Workspace

from .judging_pictures import sittings
from .sheets import Drawings, Drawn

_ROWS: Final = 3


def draw_translators(
    workspace: Workspace,
    settings: Settings,
    benchmark: Benchmark,
    contestants: Mapping[int, Path],
    rule: ModelRule,
    clips: Sequence[str],
) -> Drawings:
    """A contact sheet of each clip for each version, and a silent film of all.

    Raises: ModelFileError - a translator cannot be read. NotFoundError, WorkspaceError - a clip cannot be read.
    """
    stored = StoredClips.of(workspace, Stage.STAGE2, find_release(workspace, None).versions[Stage.STAGE2.value])
    chosen = [clip for clip in benchmark.clips if clip.clip_id in clips]
    device = device_of(settings.device)
    painters = {
        version: PainterTranslator(load_translator(folder, device)[0]) for version, folder in contestants.items()
    }
    side_px = next(iter(painters.values())).side_px  # one size: else they were not judged
    drawn = {}
    for sitting in sittings(stored, chosen, side_px, rule.references):
        shown = {version: columns(sitting, painter) for version, painter in painters.items()}
        sheets = {version: (contact_sheet(own, _ROWS),) for version, own in shown.items()}
        beside = {f"version {version}": own["generated"] for version, own in shown.items()}
        drawn[sitting.exam.clip_id] = Drawn(sheets, _film(beside | {"true": sitting.crops}))
    return drawn


def _film(beside: Columns) -> bytes:
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch:
        path = Path(scratch) / "film.mp4"
        crop_film(path, beside)
        return path.read_bytes()

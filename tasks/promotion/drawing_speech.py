"""Draws landmark generators on clips of the benchmark: their landmarks over the true ones, and the mouth over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from model.stage1.files import load_generator
from model.stage1.judging import answer, reference_frames
from schemas.promotion import ModelRule
from schemas.reasons import Stage
from tasks.drawing.charts import landmarks_over_truth, opening_chart
from tasks.learning.selection import find_release, select
from tasks.stores.benchmarks import Benchmark
from tasks.stores.workspace import Workspace

from .judging_speech import benchmark_exams
from .sheets import Drawings


def draw_generators(
    workspace: Workspace, benchmark: Benchmark, contestants: Mapping[int, Path], rule: ModelRule, clips: Sequence[str]
) -> Drawings:
    """Two PNGs of each clip for each version: the mouth over time, and six frames over the truth.

    Raises: ModelFileError - a generator cannot be read. NotFoundError, WorkspaceError - a clip cannot be read.
    """
    selection = select(workspace, find_release(workspace, None), Stage.STAGE1)
    chosen = [clip for clip in benchmark.clips if clip.clip_id in clips]
    drawn: Drawings = {clip: {} for clip in clips}
    for version, folder in contestants.items():
        generator, card = load_generator(folder)
        for exam in benchmark_exams(selection, chosen, generator):
            told = reference_frames(exam.prepared.counts_T, rule.references)
            predicted, title = answer(generator, exam, told, card.gain), f"version {version}"
            drawn[exam.clip_id][version] = (
                opening_chart(predicted, exam.landmarks_TPXY, exam.prepared.counts_T, title),
                landmarks_over_truth(predicted, exam.landmarks_TPXY, title=title),
            )
    return drawn

"""Embeddings of real films: cost beside the rest of an analysis, and how well they tell people apart.

    python -m tests.bench.identity MANIFEST.csv [--seconds N]

The manifest has the columns `uri` and `speaker`. Films that were made of one recording count as one person's; without
them, leave them out of the manifest. Stops after N seconds.
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.policy import load_policy
from heterodub.tasks.ingestion import process_file
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.ingestion.conftest import analysed, job_of

_LIMITS = {"face": (0.4, 0.45, 0.5, 0.55), "voice": (0.65, 0.7, 0.75, 0.8)}
Embedded = tuple[str, str, np.ndarray]
"""File, speaker, embedding."""


def main() -> None:
    """Print shares of CPU time, and of the pairs of clips of different files those within each limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--seconds", type=float, default=3600)
    arguments = parser.parse_args()
    found: dict[str, list[Embedded]] = {kind: [] for kind in _LIMITS}
    with tempfile.TemporaryDirectory() as folder, arguments.manifest.open() as listing:
        Workspace.open(folder, create=True)
        settings, policy, stop = Settings(workspace=folder, run={"workers": 1}), load_policy(), time.time()
        process_file.load(settings)
        embedding_s = _timed()
        began = time.process_time()
        for row in csv.DictReader(listing):
            if time.time() > stop + arguments.seconds:
                break
            try:
                result = analysed(job_of(Path(row["uri"])), settings, policy)
            except MediaRefusedError:
                continue
            for clip in result.embeddings.to_pylist() if row["speaker"] else ():
                for kind, clips in found.items():
                    if clip[kind] is not None:
                        clips.append((row["uri"], row["speaker"], np.array(clip[kind])))
        total = time.process_time() - began
    print(f"embeddings take {sum(embedding_s) / total:.1%} of the CPU time ({sum(embedding_s):.1f} of {total:.1f} s)")
    for kind, clips in found.items():
        _print_pairs(kind, clips)


def _timed() -> list[float]:
    """Let the analysis time its embeddings; returns the list of CPU seconds, one for each clip to come."""
    spent: list[float] = []
    embed = process_file.embed_clip

    def timed(*given):
        began = time.process_time()
        result = embed(*given)
        spent.append(time.process_time() - began)
        return result

    process_file.embed_clip = timed
    return spent


def _print_pairs(kind: str, clips: Sequence[Embedded]) -> None:
    same, other = [], []
    for place, (file, speaker, vector) in enumerate(clips):
        for other_file, other_speaker, other_vector in clips[:place]:
            if file != other_file:
                near = -vector @ other_vector if kind == "voice" else np.linalg.norm(vector - other_vector)
                (same if speaker == other_speaker else other).append(float(near))
    print(f"{kind}: {len(clips)} clips, {len(same)} pairs of one person, {len(other)} of two")
    for limit in _LIMITS[kind]:
        bound = -limit if kind == "voice" else limit
        accepted = [sum(near <= bound for near in pairs) for pairs in (same, other)]
        print(f"  {limit}: {accepted[0]} of one person, {accepted[1]} of two")


if __name__ == "__main__":
    main()

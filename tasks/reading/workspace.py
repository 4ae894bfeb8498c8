"""A workspace and its releases, opened to read."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, get_args, overload

import pandas as pd

from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import LABELS
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.workspace import Workspace

from .datasets import FaceDataset, SpeechDataset

NEWEST: Final = "newest"
"""Name of the newest release, in place of its id."""

StageName = Literal["stage1", "stage2"]
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class WorkspaceReader:
    """An opened workspace. Nothing here writes, and each call reads what is stored by then."""

    workspace: Workspace

    def release(self, name: str = NEWEST) -> "ReleaseReader":
        """Return a release by its id, or the newest.

        Raises: NotFoundError - there is none. WorkspaceError - the workspace cannot be read.
        """
        return ReleaseReader(self.workspace, releases.named(self.workspace, None if name == NEWEST else name))

    def releases(self) -> pd.DataFrame:
        """Return a row per release, oldest first: id, number, time, versions of the tables, provenance, notes.

        Raises: WorkspaceError - the workspace cannot be read.
        """
        return _frame(self.workspace, "releases").sort_values("sequence", ignore_index=True)

    def clips(self) -> pd.DataFrame:
        """Return a row per clip as it is stored now, refused ones included: signals, routes, reasons, split.

        Raises: WorkspaceError - the workspace cannot be read.
        """
        return _frame(self.workspace, "clips")

    def files(self) -> pd.DataFrame:
        """Return a row per raw file as it is stored now: state, reason, labels, streams.

        Raises: WorkspaceError - the workspace cannot be read.
        """
        return _frame(self.workspace, "catalog")

    def labels(self) -> pd.DataFrame:
        """Return a row per standing label of a person: clip_id, stage, keep, reason, by, created_utc, draw.

        Raises: WorkspaceError - the workspace cannot be read.
        """
        rows = [asdict(label) for label in read_labels(self.workspace).values()]
        return pd.DataFrame(rows, columns=LABELS.names)

    def routes_by(self, policy: str | Path) -> pd.DataFrame:
        """Return a row per stored clip: its routes now, and by a policy file and people's labels, with its reasons.
        Reads no media.

        Columns: clip_id, media_id, and for each stage `stage1`, `stage1_by_policy`, `stage1_reasons_by_policy`.

        Raises: SettingsError - the policy file. WorkspaceError - the workspace cannot be read.
        """
        from heterodub.tasks.ingestion.reroute import plan_reroute  # with Dask, which nothing else here needs

        plan = plan_reroute(self.workspace, load_policy(policy))
        frame: pd.DataFrame = plan.clips.select(["clip_id", "media_id"]).to_pandas()
        for stage in Stage:
            frame[f"{stage}"], frame[f"{stage}_by_policy"] = plan.before[stage], plan.after[stage]
            refusals = plan.refusals[stage]
            frame[f"{stage}_reasons_by_policy"] = [
                [str(reason) for reason, mask in refusals.items() if mask[number]] for number in range(len(frame))
            ]
        return frame


@dataclass(frozen=True, slots=True)
class ReleaseReader:
    """A release: clips as they were when it was published, whatever was ingested, routed or relabelled since."""

    workspace: Workspace
    info: Release
    """Id, versions of the tables, provenance, and counts by stage and split."""

    @property
    def id(self) -> str:
        """Id of the release."""
        return self.info.release_id

    @property
    def takedowns(self) -> tuple[str, ...]:
        """Ids of takedowns that took clips out of it since it was published; its other clips are as they were."""
        return self.info.takedowns

    @overload
    def dataset(self, stage: Literal["stage1"], split: Split | None = None) -> SpeechDataset: ...
    @overload
    def dataset(self, stage: Literal["stage2"], split: Split | None = None) -> FaceDataset: ...
    def dataset(self, stage: StageName, split: Split | None = None) -> SpeechDataset | FaceDataset:
        """Return the clips of a stage as a torch Dataset, in the order of their ids. split: None for all three.

        Speakers of the test split are in no other; benchmarks are made of them.

        Raises: NotFoundError - no such stage or split, or a file of the release is gone.
        """
        if stage not in get_args(StageName):
            raise NotFoundError(f"there is no stage {stage!r}: name stage1 or stage2")
        if split is not None and split not in get_args(Split):
            raise NotFoundError(f"there is no split {split!r}: name train, val or test")
        if stage == "stage1":
            return SpeechDataset(self.workspace, self.info, split)
        return FaceDataset(self.workspace, self.info, split)


def open_workspace(uri: str) -> WorkspaceReader:
    """Open the workspace at `uri` to read: a folder, or a place in an object store.

    Raises: WorkspaceError - there is none, or its layout is of another version.
    """
    return WorkspaceReader(Workspace.open(uri))


def _frame(workspace: Workspace, table: str) -> pd.DataFrame:
    frame: pd.DataFrame = tables.read_any(workspace, table).to_pandas()
    return frame

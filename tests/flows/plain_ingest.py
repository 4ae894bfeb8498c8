"""The steps of an ingest called one after the other, without a Prefect engine; also as a command, to be killed.

    python plain_ingest.py SOURCE SETTINGS_FILE WORKSPACE

Says each phase and each file as it is done, and at last `done`.
"""

import sys
from pathlib import Path

from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.policy import Policy
from heterodub.tasks.ingestion.plan import IngestPlan
from heterodub.tasks.ingestion.tally import Tally
from heterodub.tasks.monitoring.progress import ProgressSink, use_progress
from heterodub.tasks.releases.publishing import PublishResult, assign
from heterodub.tasks.steps.ingest import choose_policy, find_files, publish_release, work_on_files
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.releases.audit.plain_audit import failures


def run(
    source: Path | str,
    settings: Settings,
    retry_quarantined: bool = False,
    corpus: str = "default",
    switch: bool = False,
) -> tuple[IngestPlan, Tally, PublishResult]:
    """Run the steps of the flow `ingest` in its order, without Prefect."""
    policy, plan, tally = store(source, settings, retry_quarantined, corpus)
    return plan, tally, publish_release.fn(Workspace.open(settings.workspace), settings, policy, switch)


def store(
    source: Path | str, settings: Settings, retry_quarantined: bool = False, corpus: str = "default"
) -> tuple[Policy, IngestPlan, Tally]:
    """All of it but the release, whose audit takes seconds: for what is on the way to something else."""
    ws = Workspace.open(settings.workspace, create=True)
    policy = choose_policy.fn(ws, settings.policy)
    plan = find_files.fn(ws, str(source), corpus, settings, retry_quarantined)
    return policy, plan, work_on_files.fn(ws, plan, settings, policy)


def checked(source: Path | str, settings: Settings) -> tuple[IngestPlan, Tally]:
    """`store`, then the splits, and every expectation of the audit without its pages: all but the release."""
    _, plan, tally = store(source, settings)
    require_sound(settings)
    return plan, tally


def require_sound(settings: Settings) -> None:
    """Divide the speakers, and assert that the tables would pass an audit."""
    ws = Workspace.open(settings.workspace)
    assign(ws, settings.splits)
    assert failures(ws) == {}


class _Printing(ProgressSink):
    def phase(self, name: str, total: int | None = None, done: int = 0, share: float | None = None) -> None:
        super().phase(name, total, done, share)
        print(f"{name} {total}", flush=True)

    def advance(self, detail: str = "", share: float | None = None) -> None:
        super().advance(detail, share)
        if self.name == "analyse":
            print(f"analysed {self.done}", flush=True)


if __name__ == "__main__":
    with use_progress(_Printing()):
        run(sys.argv[1], load_settings(sys.argv[2], workspace=sys.argv[3]))
    print("done", flush=True)

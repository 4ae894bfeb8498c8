"""Labels of people over 20,000 stored clips, under every policy."""

from typing import Any

import numpy as np

from heterodub.schemas.reasons import UNUSABLE, ClipReason, Stage
from heterodub.tasks.ingestion.reroute import changed_clips, describe, plan_reroute
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.ingestion.routed_clips import LOOSER, OLD, STRICTER


def say(workspace: Workspace, rows: list[dict[str, Any]], stage: Stage, keep: bool | None) -> None:
    media = {row["clip_id"]: row["media_id"] for row in rows}
    store_labels(workspace, [NewLabel(clip, media[clip], stage, keep, "heard", "Ann") for clip in media])


def test_labels_overrule_every_policy_both_ways_until_they_are_removed(workspace, rows):
    noisy = [row for row in rows if row["stage1_reasons"] == ["noisy"]][:5]
    good = [row for row in rows if row["stage1"] and row["stage2"]][:7]
    say(workspace, noisy, Stage.STAGE1, True)
    say(workspace, good, Stage.STAGE2, False)
    for by in (OLD, STRICTER, LOOSER):
        plan = plan_reroute(workspace, by)
        ids = plan.clips["clip_id"].to_pylist()
        kept, refused = (np.isin(ids, [row["clip_id"] for row in some]) for some in (noisy, good))
        assert plan.after[Stage.STAGE1][kept].all() and not plan.after[Stage.STAGE2][refused].any()
        assert plan.refusals[Stage.STAGE2][ClipReason.REFUSED_BY_PERSON].sum() == len(good)
    assert describe(plan_reroute(workspace, OLD))["labels"] == {
        "stage1": {"kept": 5, "refused": 0}, "stage2": {"kept": 0, "refused": 7},
    }  # fmt: skip
    assert describe(plan_reroute(workspace, OLD))["stage2"]["reasons"] == {
        "refused_by_person": {"before": 0, "after": 7}
    }
    say(workspace, noisy, Stage.STAGE1, None)
    say(workspace, good, Stage.STAGE2, None)
    assert changed_clips(plan_reroute(workspace, OLD)) == []


def test_labels_do_not_overrule_what_cannot_be_used(workspace, rows):
    straddling = [row for row in rows if ClipReason.STRADDLES_SPLITS in row["stage1_reasons"]][:3]
    silent = [row for row in rows if row["level_dbfs"] is None][:3]
    say(workspace, [*straddling, *silent], Stage.STAGE1, True)
    plan = plan_reroute(workspace, OLD)
    ids = plan.clips["clip_id"].to_pylist()
    for some, reason in ((straddling, ClipReason.STRADDLES_SPLITS), (silent, ClipReason.NO_SOUND)):
        mask = np.isin(ids, [row["clip_id"] for row in some])
        assert mask.sum() == 3 and not plan.after[Stage.STAGE1][mask].any()
        assert plan.refusals[Stage.STAGE1][reason][mask].all()
        others = [held for code, held in plan.refusals[Stage.STAGE1].items() if code not in UNUSABLE]
        assert not np.logical_or.reduce(others)[mask].any()

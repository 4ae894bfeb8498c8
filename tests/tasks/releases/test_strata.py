"""Strata of a release's clips are those of the rows that it published."""

from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases.releases import release_clips
from heterodub.tasks.releases.strata import clip_strata
from heterodub.tasks.stores.batches import KnownMedia, commit_batch
from tests.tasks.releases.test_releases import _publish
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import batch_of, filled_workspace


def test_clips_have_the_strata_of_their_rows_and_the_language_of_their_file(tmp_path):
    ws = filled_workspace(tmp_path, range(1))
    spoken = batch_of(ws, 1, clips=1, yaw_deg=40.0, licence="CC0-1.0", speaker=f"file:{sample.media_id(1)}")
    files = sample.catalog(sample.catalog_row(1, language="cy", clips=1))
    commit_batch(ws, type(spoken)(spoken.media, files, spoken.clips, spoken.stage1, spoken.stage2), KnownMedia(ws))
    release = _publish(ws).release
    published = release_clips(ws, release, Stage.STAGE1, None, ["clip_id"])["clip_id"].to_pylist()
    strata = clip_strata(ws, release, [*published, "not there"])
    assert strata.keys() == {sample.clip_id(0, 0), sample.clip_id(0, 1), sample.clip_id(1, 0)}
    assert strata[sample.clip_id(1, 0)] == {
        "language": "cy",
        "face_size": "from 160 px",
        "head_pose": "from 30 deg",
        "corpus": "default",
        "licence": "CC0-1.0",
        "speaker": "unknown",
    }
    assert strata[sample.clip_id(0, 0)]["language"] == strata[sample.clip_id(0, 0)]["licence"] == "unstated"
    assert clip_strata(ws, release, [sample.clip_id(0, 1)]).keys() == {sample.clip_id(0, 1)}

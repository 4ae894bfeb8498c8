"""A release as training gets it, without the tables behind it."""

from heterodub.tasks.releases.releases import Release

COUNTS = {
    "stage1": {
        "train": {"clips": 8, "speakers": 4, "seconds": 31.2},
        "val": {"clips": 2, "speakers": 1, "seconds": 7.0},
    }
}


def release(release_id: str = "r0123456789ab") -> Release:
    return Release(
        release_id,
        sequence=3,
        created_utc="2026-11-20T10:00:00+00:00",
        catalog_version=5,
        clips_version=7,
        stage1_version=2,
        stage2_version=4,
        labels_version=0,
        person_corrections_version=0,
        backend="face_mesh_v1",
        extractor="1-face_mesh_v1-0badcafe",
        policy="0123456789ab",
        settings="ba9876543210",
        code="0.1.0",
        counts=COUNTS,
        audit={},
        licences=(),
        notes=(),
        file_lists=(),
        takedowns=(),
        same_at={},
    )

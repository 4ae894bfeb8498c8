"""Contents of an export, and the record of them that it holds."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from heterodub.schemas.contract import FPS
from heterodub.schemas.exports import RECORD
from heterodub.schemas.reasons import Stage
from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.releases.releases import Release

from .rows import UNITS


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of an export, relative to its folder, with its clips."""

    path: str
    stage: Stage
    split: str
    clips: int
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, path: Path, stage: Stage, split: str, clips: int) -> "ExportedFile":
        """Describe a written file."""
        name = str(path.relative_to(folder))
        return cls(name, stage, split, clips, path.stat().st_size, fingerprint(path))


@dataclass(slots=True)
class Contents:
    """All that an export holds. licences: clips by licence, as stated. media: number of raw files."""

    release: Release
    files: list[ExportedFile] = field(default_factory=list)
    licences: dict[str, int] = field(default_factory=dict)
    with_audio: bool = False
    media: int = 0

    @property
    def stages(self) -> dict[Stage, dict[str, int]]:
        """Clips by stage and split."""
        counts: dict[Stage, dict[str, int]] = {}
        for file in self.files:
            splits = counts.setdefault(file.stage, {})
            splits[file.split] = splits.get(file.split, 0) + file.clips
        return counts


def write_record(folder: Path, form: str, contents: Contents) -> None:
    """Write the record of an export. Raises: OSError."""
    release = contents.release
    record = {
        "format": form,
        "release": release.release_id,
        "published_utc": release.created_utc,
        "heterodub": release.code,
        "extractor": release.extractor,
        "backend": release.backend,
        "policy": release.policy,
        "frames_per_second": FPS,
        "clips": {str(stage): counts for stage, counts in contents.stages.items()},
        "licences": contents.licences,
        "media": contents.media,
        "units": UNITS,
        "files": {
            one.path: {"stage": str(one.stage), "split": one.split, "clips": one.clips, "sha256": one.sha256}
            for one in contents.files
        },
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")

"""The factory of small media; what it makes is described in media_files.py."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from heterodub.schemas.config.settings import Settings
from tests.tasks.media.media_files import SoundTrack, regular, write_media


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """clip(".mp4", times_ms, track, ...) writes a file and gives its path; 25 pictures at 25 fps by default."""

    def make(suffix: str, times_ms: Sequence[int] | None = None, track: SoundTrack | None = None, **more) -> Path:
        path = tmp_path / f"clip{len(list(tmp_path.iterdir()))}{suffix}"
        return write_media(path, regular(25) if times_ms is None else times_ms, track, suffix=suffix, **more)

    return make


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings that users begin with."""
    return Settings()

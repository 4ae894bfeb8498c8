"""A film's own sound: a dubbing can do without it, and does not lose it to a full disk."""

import resource

import pytest

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.dubbing.own_sound import own_sound
from tests.tasks.media.media_files import regular, tone, write_media


def test_sound_without_a_decoder_is_none_with_its_cause(settings, tmp_path):
    film = write_media(tmp_path / "film.mp4", regular(3), tone(0.2, 16_000))
    with own_sound(film, settings.limits, tmp_path) as own:
        assert own.source is not None and own.source.peak > 0.1
    film.write_bytes(film.read_bytes().replace(b"mp4a", b"zz9a").replace(b"esds", b"zzzz"))
    with own_sound(film, settings.limits, tmp_path) as own:
        assert (own.source, own.missing) == (None, "there is no decoder for its sound")


def test_a_full_disk_is_no_missing_sound(settings, tmp_path):
    film = write_media(tmp_path / "film.mp4", regular(50), tone(2, 16_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(MediaRefusedError) as caught, own_sound(film, settings.limits, tmp_path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.reason is FileReason.DISK_FULL

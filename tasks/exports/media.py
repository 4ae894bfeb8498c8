"""Raw files and sounds of an export: copied out of the footage, if it is still there and unchanged."""

import csv
import io
import shutil
import tempfile
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final, Self

import numpy as np
import pyarrow.compute as pc

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.contract import SAMPLE_RATE_HZ
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.exports import MANIFEST, MEDIA
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.ingestion.decoder_process import Decoder
from heterodub.tasks.media.paths import fingerprint, localise, open_regular
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.visualization.sound import ClipPlace, raw_sound

_COLUMNS: Final = ("uri", "speaker", "licence", "consent", "purpose", "language", "corpus", "offset")
_FILE_LIMIT_S: Final = 600.0
"""Time limit of reading a clip's sound."""


def copy_media(
    workspace: Workspace, release: Release, uris: Mapping[str, str], folder: Path, origins: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Copy the raw files behind a release's clips into an export's folder, and write their manifest.

    uris: address by media id. Returns paths in the export by media id, and the reasons for those left out, by address.

    Raises: OSError - the folder cannot be written to. NotFoundError, WorkspaceError - the catalog cannot be read.
    """
    copied: dict[str, str] = {}
    left_out: dict[str, str] = {}
    (folder / MEDIA).mkdir(parents=True)
    for media_id, uri in sorted(uris.items()):
        name = f"{MEDIA}/{media_id}{_suffix(uri)}"
        try:
            _copy(uri, folder / name, media_id, origins)
            copied[media_id] = name
        except MediaRefusedError as error:
            (folder / name).unlink(missing_ok=True)
            left_out[uri] = str(error.reason)
    labels = releases.read_table(workspace, release, "catalog", filter=pc.field("uri").isin(list(uris.values())))
    with (folder / MANIFEST).open("w", newline="") as file:
        rows = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        rows.writeheader()
        for row in sorted(labels.to_pylist(), key=lambda row: str(row["media_id"])):
            if row["media_id"] in copied:
                rows.writerow(row | {"uri": copied[row["media_id"]], "offset": row["offset_s"]})
    return copied, left_out


def _copy(uri: str, target: Path, media_id: str, origins: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="heterodub-") as scratch, localise(uri, Path(scratch), origins) as path:
        try:
            source = open_regular(path)
        except OSError as error:
            raise MediaRefusedError(FileReason.VANISHED, error.strerror or "") from error
        with source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 8 << 20)
    if fingerprint(target) != media_id:
        raise MediaRefusedError(FileReason.CHANGED, "other bytes than were ingested")


def _suffix(uri: str) -> str:
    """Return the end of a file's name, where it is a plain one; files are recognised by their content."""
    suffix = PurePath(uri).suffix.lower()
    return suffix if suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) < 6 else ""


class ClipSounds:
    """Sounds of clips, read out of their raw files in the decoding process. `left_out`: reasons by clip id."""

    def __init__(self, limits: LimitSettings) -> None:
        self.left_out: dict[str, str] = {}
        self._limits, self._decoder = limits, Decoder(limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.close()

    def __call__(self, clip: Mapping[str, Any], shift_frames: int) -> bytes | None:
        """Return a clip's sound as a WAV file, 16 bits, 16 kHz, in sync with its mouth; None if it cannot be read.

        clip: a row of `clips` with the labels of its file. shift_frames: its `sound_shift_frames`.
        """
        names = ("uri", "media_id", "start_frame", "frames", "offset_s", "picture_stream", "sound_stream")
        place = ClipPlace(**{name: clip[name] for name in names}, sound_shift_frames=shift_frames)
        try:
            result = self._decoder.run(
                raw_sound, place, self._limits, media=[place.uri], time_limit_s=_FILE_LIMIT_S, returns=bytes | str
            )
        except MediaRefusedError as error:
            result = str(error.reason)
        except (OSError, RuntimeError) as error:
            result = str(error)
        if isinstance(result, str):
            self.left_out[clip["clip_id"]] = result
            return None
        return _wav(np.frombuffer(result, np.float32))


def _wav(samples: np.ndarray) -> bytes:
    packed = io.BytesIO()
    with wave.open(packed, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.rint(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return packed.getvalue()

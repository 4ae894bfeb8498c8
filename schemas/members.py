"""Addresses of files that lie inside of another file: members of a tar archive, cells of a Parquet table.

`tar+s3://bucket/shard-0001.tar#1536/spk1/a.mp4` is the member spk1/a.mp4 whose header begins at byte 1536;
`parquet+file:///data/train.parquet#12/video/a.mp4` is row 12 of the column video. The place makes it readable at once,
without a look at what lies before it.
"""

import os
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

_ADDRESS: Final = re.compile(r"(tar|parquet)\+([a-z0-9]+)://([^#]*)#(\d{1,18})/(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside of a file.

    kind: tar or parquet. container: address of the file around it, file:// where it is a path. place: of a tar the byte
    at which its header begins, of a table the row. column: of a table. name: as the archive or the table has it, bytes
    that are no UTF-8 as surrogates.
    """

    kind: str
    container: str
    place: int
    name: str
    column: str = ""

    @property
    def address(self) -> str:
        """Its address; `member_of` gives the member back."""
        scheme, _, rest = _as_uri(self.container).partition("://")
        outer = rest if scheme == "file" else quote(rest)
        column = f"{quote(self.column, safe='')}/" if self.kind == "parquet" else ""
        return f"{self.kind}+{scheme}://{outer}#{self.place}/{column}{quote(os.fsencode(self.name))}"


def _as_uri(container: str) -> str:
    return container if "://" in container else "file://" + quote(os.fsencode(container))


def member_of(address: str) -> Member | None:
    """Return the member that an address names; None for any other address or path."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return None
    kind, scheme, outer, place, name = match.groups()
    column = ""
    if kind == "parquet":
        column, _, name = name.partition("/")
    container = f"{scheme}://{outer if scheme == 'file' else unquote(outer)}"
    return Member(kind, container, int(place), os.fsdecode(unquote_to_bytes(name)), unquote(column))


def container_of(address: str) -> str:
    """Return the address of the file around a member; any other address as it is."""
    member = member_of(address)
    return address if member is None else member.container

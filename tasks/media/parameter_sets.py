"""Parameter sets of H.264 in a file's header: read, numbered, and joined with those of another encoder.

ISO/IEC 14496-15, AVCDecoderConfigurationRecord; ITU-T H.264, 7.3.2.1 and 7.3.2.2 for the numbers.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

_SPS: Final = 7
_PPS: Final = 8
_MOST_NUMBERS: Final = 32
"""Numbers of sequence parameter sets; an encoder gives the picture parameter set the same."""

_START_CODE: Final = re.compile(b"\x00\x00\x01")


@dataclass(slots=True)
class ParameterSets:
    """Parameter sets of a stream, as NAL units. profile, compatibility, level: of its header. size: bytes of the length
    before a NAL unit; 0 where the header is of another form. further: what follows them in the header.
    """

    profile: int = 0
    compatibility: int = 0
    level: int = 0
    size: int = 0
    sequence: list[bytes] = field(default_factory=list)
    picture: list[bytes] = field(default_factory=list)
    further: bytes = b""
    numbers: set[int] = field(default_factory=set)
    """Of all sets, those inside of packets, too."""

    @classmethod
    def of(cls, header: bytes) -> "ParameterSets":
        """Read a header; one that is cut short, or of another form, gives sets without any."""
        if len(header) < 7 or header[0] != 1:
            return cls()
        sets = cls(header[1], header[2], header[3], (header[4] & 3) + 1)
        at, sets.sequence = _units(header, 6, header[5] & 31)
        at, sets.picture = _units(header, at + 1, header[at] if at < len(header) else 0)
        sets.further = header[at:]
        sets.add([*sets.sequence, *sets.picture])
        return sets

    def add(self, units: Iterable[bytes]) -> None:
        """Note the numbers of further sets."""
        self.numbers |= {_number(unit) for unit in units if len(unit) > 1}

    @property
    def has_free_number(self) -> bool:
        """True if an encoder's sets can have a number that none of these has."""
        return not set(range(_MOST_NUMBERS)) <= self.numbers

    def free_number(self) -> int:
        """Return a number that no set has.

        Raises: ValueError - all are taken.
        """
        return min(set(range(_MOST_NUMBERS)) - self.numbers)

    def joined(self, units: Sequence[bytes]) -> bytes:
        """Return a header with further sets beside these."""
        sequence = [*self.sequence, *(unit for unit in units if unit[0] & 31 == _SPS)]
        picture = [*self.picture, *(unit for unit in units if unit[0] & 31 == _PPS)]
        level = max(self.level, *(unit[3] for unit in sequence))
        head = bytes([1, self.profile, self.compatibility, level, 0xFC | (self.size - 1), 0xE0 | len(sequence)])
        return head + _packed(sequence) + bytes([len(picture)]) + _packed(picture) + self.further


def nal_units(packet: bytes) -> Iterator[bytes]:
    """Yield the NAL units of a packet with lengths of four bytes."""
    at = 0
    while at + 4 < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big")
        yield packet[at + 4 : at + 4 + size]
        at += 4 + size


def of_annex_b(stream: bytes) -> list[bytes]:
    """Return the NAL units of a byte stream with start codes; zeros before a start code belong to it."""
    return [unit for part in _START_CODE.split(stream) if (unit := part.rstrip(b"\x00"))]


def _units(header: bytes, at: int, count: int) -> tuple[int, list[bytes]]:
    units = []
    for _ in range(count):
        size = int.from_bytes(header[at : at + 2], "big")
        units.append(header[at + 2 : at + 2 + size])
        at += 2 + size
    return at, units


def _packed(units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def _number(unit: bytes) -> int:
    """Read the number of a parameter set: the first Exp-Golomb code behind its fixed bytes."""
    raw = unit[4 if unit[0] & 31 == _SPS else 1 :][:8].replace(b"\x00\x00\x03", b"\x00\x00")
    bits = "".join(f"{byte:08b}" for byte in raw)
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1

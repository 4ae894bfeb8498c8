"""Combed pictures: found by what they show, whatever their flags say, and deinterlaced one by one.

A combed picture holds two moments, one in its even lines and one in its odd ones. Two things tell it from a picture
of one moment, all measured where something moves:

- neighbouring lines disagree to and fro (comb), as no picture of one moment does but one of fine stripes;
- lines of this picture woven with those of its neighbour in time fit better one way round than the other: the fields
  follow each other in time. In a picture of one moment, striped or not, both ways fit equally badly.

Shape suffix legend: R = rows, C = sampled columns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from numpy.typing import NDArray

COMB_STEP: Final = 10
"""Of 255. Neighbouring lines that differ by less, to and fro, are noise or compression."""

COMBED_SHARE: Final = 0.02
"""Share of the moving samples that have to be combed; what no eye sees on a moving head lies below."""

LEAST_MOVING: Final = 48
"""Moving samples, of some 64 columns, without which nothing is said: a still picture of two moments shows one."""

ASYMMETRY: Final = 1.25
"""How much better the fields have to fit one way round. 1 where one moment was coded as two fields; with steady
movement of two fields a picture, one way spans one field, the other three."""

MEMORY: Final = 25
"""Pictures for which a film that was found combed is taken to go on so."""

ALWAYS: Final = 3
"""Combed pictures in a row that tell two fields a picture from telecine, which combs two of five."""

_BLOCKS, _BLOCK = 8, 8
"""Samples are taken in so many groups of so many neighbouring columns."""

Luma = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Comb:
    """What two pictures in a row say of the second. share: of moving samples that are combed, None where too little
    moves. in_fields: whether the fields follow each other in time; even_first: whether the even lines of the second go
    with the odd ones of the first.
    """

    share: float | None
    in_fields: bool
    even_first: bool = True

    @property
    def frayed(self) -> bool:
        """Whether there is a comb, by itself no more than stripes."""
        return self.share is not None and self.share >= COMBED_SHARE


def sample(plane: NDArray[Any], bits: int = 8) -> Luma:
    """All rows of some columns of a picture's luma (or green), as (R, C) of 0..255. Cheap at any size."""
    width = plane.shape[1]
    if width <= _BLOCKS * _BLOCK:
        taken = plane
    else:
        starts = np.linspace(width // 16, width - _BLOCK - width // 16, _BLOCKS).astype(int)
        taken = np.concatenate([plane[:, start : start + _BLOCK] for start in starts], axis=1)
    return np.asarray(taken >> (bits - 8) if bits > 8 else taken, np.int16)


def compare(before: Luma, now: Luma) -> Comb:
    """What a picture's samples, held against those of its neighbour in time, say of it."""
    if before.shape != now.shape or now.shape[0] < 8:
        return Comb(None, False)
    moving = np.abs(now - before) > COMB_STEP
    near = moving[1:-1] | moving[:-2] | moving[2:]
    count = int(near.sum())
    if count < LEAST_MOVING:
        return Comb(None, False)
    own = _combs(now) & near
    share = float(own.sum() / count)
    if share < COMBED_SHARE:
        return Comb(share, False)
    even, odd = now.copy(), before.copy()  # each named after the lines it has of `now`, or has not
    even[1::2] = before[1::2]
    odd[1::2] = now[1::2]
    one, other = _roughness(even, near), _roughness(odd, near)
    return Comb(share, max(one, other) >= ASYMMETRY * max(min(one, other), 1.0), one <= other)


def _combs(rows: Luma) -> NDArray[np.bool_]:
    """Samples (R - 2, C) that stand out from both lines around them to the same side, which agree with each other."""
    up, down = rows[:-2] - rows[1:-1], rows[2:] - rows[1:-1]
    least = np.minimum(np.abs(up), np.abs(down))
    found: NDArray[np.bool_] = (np.sign(up) == np.sign(down)) & (least > COMB_STEP) & (np.abs(up - down) < least)
    return found


def _roughness(rows: Luma, where: NDArray[np.bool_]) -> float:
    """Mean difference of lines from the middle of those around them."""
    off = np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:])
    return float(off[where].mean())


class CombFinder:
    """Says of pictures in a row which are combed: with both neighbours, the fields have to follow each other one way.

    For a second after that, less will do: a comb where the film is flagged, and the fields of one neighbour where
    ALWAYS pictures in a row were combed, as those of a telecined film never are.
    """

    def __init__(self) -> None:
        self._before: Luma | None = None
        self._left = 0
        self._row = 0
        self._sure = False
        self._votes = 0
        """Pictures whose even lines came first, less those whose odd lines did."""

    @property
    def top_first(self) -> bool:
        """Whether the even lines are the earlier moment, as far as was seen; so it is in most films."""
        return self._votes >= 0

    def step(self, now: Luma, after: Luma | None = None, flagged: bool = False) -> bool:
        """Whether the next picture is combed. after: the one behind it, which is a neighbour in time, too.

        flagged: whether the file says that it is interlaced.
        """
        pairs = [compare(other, now) for other in (self._before, after) if other is not None]
        turned = [self._before is None, True]  # held against the picture behind it, the fields come the other way
        said = [(comb, comb.even_first != back) for comb, back in zip(pairs, turned, strict=False)]
        said = [one for one in said if one[0].share is not None]
        self._before = now
        self._left -= 1
        frayed = [(comb, first) for comb, first in said if comb.frayed]
        in_fields = [first for comb, first in frayed if comb.in_fields]
        if in_fields and len(in_fields) == len(said) and len(set(in_fields)) == 1:
            self._votes += 1 if in_fields[0] else -1
            self._row += 1
            self._left = MEMORY
            self._sure = self._sure or self._row >= ALWAYS
            return True
        self._row = 0
        self._sure = self._sure and self._left > 0
        return self._left > 0 and (bool(frayed) if flagged else self._sure and bool(in_fields))


def luma_of(frame: VideoFrame) -> Luma | None:
    """Samples of a frame's luma; None where its first plane is none."""
    form = frame.format
    if form.is_rgb or form.has_palette or not form.is_planar or form.is_big_endian:
        return None
    bits = form.components[0].bits
    memory: Any = frame.planes[0]
    kind = np.uint16 if bits > 8 else np.uint8
    rows = np.frombuffer(memory, kind).reshape(-1, frame.planes[0].line_size // np.dtype(kind).itemsize)
    return sample(rows[: frame.height, : frame.width], bits)


class Deinterlacer:
    """Passes frames on, combed ones deinterlaced to one picture each; `count` says how many were.

    bwdif looks at a frame's neighbours, so one frame is held back. Frames that are not combed stay as they are, though
    flagged: a progressive film in an interlaced stream loses nothing, and telecined films lose nothing in the frames
    that are whole. Frames of formats that bwdif cannot take stay combed.
    """

    def __init__(self) -> None:
        self.count = 0
        self._finder = CombFinder()
        self._before: VideoFrame | None = None
        self._weaver: _Bwdif | None = None

    def over(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """The same number of frames, in order."""
        now: tuple[VideoFrame, Luma | None] | None = None
        for frame in frames:
            after = frame, luma_of(frame)
            if now is not None:
                yield self._shown(*now, *after)
            now = after
        if now is not None:
            yield self._shown(*now, None, None)

    def _shown(
        self, frame: VideoFrame, luma: Luma | None, after: VideoFrame | None, luma_after: Luma | None
    ) -> VideoFrame:
        before, self._before = self._before, frame
        if luma is None or not self._finder.step(luma, luma_after, frame.interlaced_frame):
            self._weaver = None
            return frame
        try:
            made = self._woven(frame, before, after)
        except (ValueError, OSError):  # what FFmpegError is, too
            return frame
        self.count += 1
        made.pts, made.time_base, made.duration = frame.pts, frame.time_base, frame.duration
        return made

    def _woven(self, frame: VideoFrame, before: VideoFrame | None, after: VideoFrame | None) -> VideoFrame:
        """The frame without its comb."""
        if self._weaver is None or not self._weaver.goes_on(frame):
            self._weaver = _Bwdif(frame, self._finder.top_first)
            self._weaver.push(before if self._weaver.takes(before) else frame)
            self._weaver.push(frame)
        made = self._weaver.push(after if self._weaver.takes(after) else frame)
        if made is None:
            raise ValueError("bwdif gave no picture")
        return made


class _Bwdif:
    """ffmpeg's deinterlacer, fed frame by frame; each but the first gives the picture of the one before it."""

    def __init__(self, frame: VideoFrame, top_first: bool) -> None:
        self._kind = _kind(frame)
        self._last: VideoFrame | None = None
        self._fed = 0
        self._graph = Graph()
        self._graph.threads = 1
        width, height, form, colorspace, color_range = self._kind
        source = self._graph.add(
            "buffer",
            f"video_size={width}x{height}:pix_fmt={form}:time_base=1/25:pixel_aspect=1/1"
            f":colorspace={colorspace}:range={color_range}",
        )
        bwdif = self._graph.add("bwdif", f"mode=send_frame:parity={'tff' if top_first else 'bff'}:deint=all")
        sink = self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def takes(self, frame: VideoFrame | None) -> bool:
        """Whether a frame is there, and of the same kind as the others."""
        return frame is not None and _kind(frame) == self._kind

    def goes_on(self, frame: VideoFrame) -> bool:
        """Whether the frame was fed last, so that the one behind it gives its picture."""
        return self._last is frame

    def push(self, frame: VideoFrame | None) -> VideoFrame | None:
        """Feed a frame; the picture of the one before it, None for the first."""
        assert frame is not None
        own = frame.pts, frame.time_base
        frame.pts, frame.time_base = self._fed, Fraction(1, 25)
        try:
            self._graph.vpush(frame)
        finally:
            frame.pts = own[0]
            if own[1] is not None:
                frame.time_base = own[1]
        self._fed, self._last = self._fed + 1, frame
        return self._graph.vpull() if self._fed > 1 else None


def _kind(frame: VideoFrame) -> tuple[int, int, str, int, int]:
    return frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range)

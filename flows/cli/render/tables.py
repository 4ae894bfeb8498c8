"""Console, tables and labelled lines for a terminal. All values are escaped before they are shown.

Own code for the widths: rich's Table has no optional columns, cuts the telling end of names, and shrinks columns of
figures too.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich import box
from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from heterodub.schemas.display import visible
from heterodub.tasks.monitoring.streams import bare, paragraph

_WIDE: Final = 160
"""Columns of a table that goes to a file or a pipe, where nothing has to fit a screen."""

_GAP: Final = 2
"""Blank cells between two columns."""


class EscapingConsole(Console):
    """Console that escapes control characters. A str is one paragraph; tables and texts may have several lines."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich's does."""
        super().print(*(paragraph(item) if isinstance(item, str) else item for item in objects), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich's does; each text is escaped, and links in a text are removed."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                style = segment.style
                yield Segment(visible(segment.text, "\n"), style.update_link(None) if style and style.link else style)


def console() -> Console:
    """Return the console for tables: stdout, as wide as the terminal."""
    sized = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = shutil.get_terminal_size().columns if sized else _WIDE
    return EscapingConsole(
        file=bare(sys.stdout), width=width, highlight=False, markup=False, emoji=False, soft_wrap=False
    )


@dataclass(frozen=True, slots=True)
class TableColumn:
    """Column of a table. If space is short, one that is `optional` is left out, and one with `least` shrinks down to so
    many letters: it wraps if it `folds`, loses its `middle` (for names of files), or ends in an ellipsis.
    """

    heading: str
    least: int | None = None
    folds: bool = False
    right: bool = False
    optional: bool = False
    middle: bool = False


def show(columns: Sequence[TableColumn], rows: Iterable[Sequence[Any]], keys: int = 1) -> None:
    """Print a table of values (see `cell`) without lines, no wider than the terminal.

    Columns that do not fit follow as another table below, whose first `keys` columns are the same.
    """
    out = console()
    cells = [[value if isinstance(value, Text) else cell(value) for value in row] for row in rows]
    natural = [max([len(column.heading), *(row[i].cell_len for row in cells)]) for i, column in enumerate(columns)]
    widths = _widths(columns, natural, out.width)
    indices = [i for i, width in enumerate(widths) if width]
    for number, block in enumerate(_blocks(indices, widths, keys, out.width)):
        if number:
            out.print("")
        out.print(_table(columns, cells, block, widths))


def _table(
    columns: Sequence[TableColumn], rows: Sequence[Sequence[Text]], indices: Sequence[int], widths: Sequence[int]
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for i in indices:
        table.add_column(
            columns[i].heading,
            width=widths[i],
            justify="right" if columns[i].right else "left",
            no_wrap=not columns[i].folds,
            overflow="fold" if columns[i].folds else "ellipsis",
        )
    for row in rows:
        table.add_row(*(_without_middle(row[i], widths[i]) if columns[i].middle else row[i] for i in indices))
    return table


def _blocks(indices: Sequence[int], widths: Sequence[int], keys: int, room: int) -> list[list[int]]:
    """Return the columns of each table: as many as fit, and at least one beside the keys."""
    head, blocks = list(indices[:keys]), [list(indices[:keys])]
    for i in indices[keys:]:
        wide = sum(widths[j] + _GAP for j in (*blocks[-1], i)) - _GAP
        if wide > room and len(blocks[-1]) > keys:
            blocks.append(list(head))
        blocks[-1].append(i)
    return blocks


def _widths(columns: Sequence[TableColumn], natural: Sequence[int], room: int) -> list[int]:
    """Return the letters of each column, 0 for one that is left out. They may need more room than there is."""
    room -= _GAP * (len(columns) - 1)
    if sum(natural) <= room:
        return list(natural)
    least = [min(wide, column.least or wide) for column, wide in zip(columns, natural, strict=True)]
    for i, column in enumerate(columns):
        if column.optional and sum(least) > room:
            least[i], room = 0, room + _GAP
    spare = max(room - sum(least), 0)
    extras = [wide - low if low else 0 for wide, low in zip(natural, least, strict=True)]
    share = min(1.0, spare / max(sum(extras), 1))
    return [low + int(extra * share) for low, extra in zip(least, extras, strict=True)]


def _without_middle(text: Text, width: int) -> Text:
    """Return a text of at most `width` cells: the middle is cut, and more is kept of the end than of the beginning."""
    if text.cell_len <= width:
        return text
    tail_width = (width - 1) * 2 // 3
    head, tail = set_cell_size(text.plain, width - 1 - tail_width), set_cell_size(text.plain[::-1], tail_width)[::-1]
    return Text(f"{head}\u2026{tail}", style=text.style)


def cell(value: Any, style: str = "") -> Text:
    """Return a value as escaped text; a missing one as a dash."""
    return Text("-" if value is None or value == "" else visible(str(value)), style=style)


def number(value: float) -> str:
    """Return a measurement as text with about four digits."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def pairs(labelled: Iterable[tuple[str, Any]]) -> None:
    """Print labelled lines, without those that have no value."""
    out = console()
    lines = [(name, value) for name, value in labelled if value not in (None, "", ())]
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        out.print(cell(f"{name:<{width}}  {value}"), soft_wrap=True)

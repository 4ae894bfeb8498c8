"""Console for tables, bars and coloured lines: rich's, with all texts escaped."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from schemas.display import visible
from tasks.monitoring.streams import paragraph


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

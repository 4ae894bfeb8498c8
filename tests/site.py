"""Check of the built documentation: its pages load nothing from another host. `python -m tests.site FOLDER`."""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

_LOADING = {"script": "src", "img": "src", "iframe": "src", "video": "src", "audio": "src", "source": "src",
            "embed": "src", "object": "data", "form": "action", "use": "href"}  # fmt: skip
_LOADED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "manifest", "modulepreload"}
_ELSEWHERE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
_IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "link" and _LOADED_LINKS.intersection(values.get("rel", "").split()):
            self.addresses.append(values.get("href", ""))
        self.addresses.append(values.get(_LOADING.get(tag, ""), ""))
        self.addresses += (part.strip() for part in values.get("srcset", "").split(","))


def foreign(folder: Path) -> Iterator[str]:
    """Yield what pages and styles would load from other hosts. A link that a reader follows is not loaded."""
    for path in sorted(folder.rglob("*.html")):
        text = path.read_text("utf-8")
        page = _Loads()
        page.feed(text)
        found = [address for address in page.addresses if _ELSEWHERE.match(address)] + _IN_STYLE.findall(text)
        yield from (f"{path.relative_to(folder)}: {address}" for address in found)
    for path in sorted(folder.rglob("*.css")):
        yield from (f"{path.relative_to(folder)}: {address}" for address in _IN_STYLE.findall(path.read_text("utf-8")))


def main() -> None:
    folder = Path(sys.argv[1])
    if not (folder / "index.html").is_file():
        raise SystemExit(f"{folder} holds no site: make docs")
    if lines := list(foreign(folder)):
        raise SystemExit("\n".join(("the site loads files of other hosts:", *lines)))


if __name__ == "__main__":
    main()

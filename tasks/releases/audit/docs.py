"""Great Expectations' Data Docs, made to work without a network."""

import re
from pathlib import Path
from typing import Final

from heterodub.tasks.stores.outputs import AUDIT_PAGE

_FETCHING: Final = re.compile(r"<(script|style|form)\b.*?</\1>|<(link|img|source)\b[^>]*>", re.DOTALL | re.IGNORECASE)
"""What fetches something, and the scripts and styles that build upon it."""

_STYLE: Final = """<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#222;background:#fff}
nav ol,nav ul{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1rem}table{border-collapse:collapse;
display:block;overflow-x:auto;max-width:100%;margin:.6rem 0}th,td{text-align:left;padding:.3rem .8rem .3rem 0;
vertical-align:top;border-bottom:1px solid #ddd}code{font-size:.85em;overflow-wrap:anywhere}.badge{margin:0 .2rem;
padding:0 .4rem;border-radius:.3rem;background:#eef0f3}pre{white-space:pre-wrap;overflow-wrap:anywhere}
svg,i.fas,i.far,button,input,.modal{display:none}h1,h2,h3,h4,h5{margin:1.2rem 0 .4rem}img{max-width:8rem;height:auto}
</style></head>"""


def make_self_contained(folder: Path) -> list[Path]:
    """Take out of every page below a folder what would be fetched, give it a style of its own, and return the pages.

    The index goes: it is built by a script from elsewhere, and AUDIT_PAGE leads to each page.
    """
    (folder / "index.html").unlink(missing_ok=True)
    pages = sorted(path for kind in ("validations", "expectations") for path in (folder / kind).rglob("*.html"))
    for path in pages:
        text = path.read_text("utf-8")
        if _STYLE not in text:
            text = _FETCHING.sub("", text).replace("</head>", _STYLE, 1).replace('/index.html"', f'/{AUDIT_PAGE}"')
            path.write_text(text, "utf-8")
    return pages

"""The expectations of an audit evaluated one by one with pandas, which takes a tenth of Great Expectations' time."""

from html import unescape

import pandas as pd

from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.expectations import Expectation, suites
from heterodub.tasks.releases.audit.frames import all_frames
from heterodub.tasks.releases.releases import current_versions
from heterodub.tasks.stores.workspace import Workspace


def failures(ws: Workspace, settings: ClipSettings | None = None) -> dict[tuple[str, str], set[str]]:
    """Names of the rows that break an expectation, by table and expectation; of the newest versions."""
    frames = all_frames(ws, current_versions(ws), {})
    broken = {}
    for suite in suites(settings or ClipSettings()):
        frame = frames[suite.table]
        for expectation in suite.expectations:
            rows = frame[_breaks(frame, expectation)]
            if len(rows):
                broken[suite.table, expectation.name] = set(map(unescape, rows[suite.row_name]))
    return broken


def _breaks(frame: pd.DataFrame, expectation: Expectation) -> "pd.Series[bool]":
    column, options = frame[expectation.column], expectation.options
    match expectation.kind:
        case "unique":
            return column.notna() & column.duplicated(keep=False)
        case "not_null":
            return column.isna()
        case "between":
            low, high = options["low"], options["high"]
            inside = column.notna() if low is None else column >= low
            return column.notna() & ~(inside if high is None else inside & (column <= high))
        case "in_set":
            return column.notna() & ~column.isin(list(options["values"]))
        case "equal":
            other = frame[options["other"]]
            return column.notna() & other.notna() & (column != other)

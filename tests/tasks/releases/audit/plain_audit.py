"""The expectations of an audit evaluated one by one with pandas, which takes a tenth of Great Expectations' time."""

from html import unescape

import pandas as pd

from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.expectations import Expectation, Suite, suites
from heterodub.tasks.stores.workspace import Workspace

from .plain_frames import all_frames

Failures = dict[tuple[str, str], set[str]]


def failures(ws: Workspace, settings: ClipSettings | None = None) -> Failures:
    """Names of the rows that break an expectation, by table and expectation; of the newest versions."""
    frames = all_frames(ws)
    broken: Failures = {}
    for suite in suites(settings or ClipSettings()):
        broken |= broken_in(frames[suite.table], suite)
    return broken


def broken_in(frame: pd.DataFrame, suite: Suite) -> Failures:
    """Names of the rows of a frame that break an expectation of a suite."""
    broken = {}
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

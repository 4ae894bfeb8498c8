"""Run suites of expectations with Great Expectations and write its Data Docs. The only module that imports it."""

import importlib
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any, Final

import pandas as pd

from heterodub.schemas.expectations import Expectation, Suite

from .docs import make_self_contained

EXAMPLES: Final = 20
"""Failing rows that are named per expectation."""


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """Result of one expectation. `examples` names failing rows: clip_ids, or uris of the catalog."""

    name: str
    table: str
    column: str
    meaning: str
    failed_count: int
    examples: tuple[str, ...]
    error: str = ""
    """Reason why the expectation could not be evaluated; a check with an error has failed."""

    @property
    def passed(self) -> bool:
        """True if every row met it."""
        return not self.failed_count and not self.error

    def with_more(self, other: "ExpectationResult") -> "ExpectationResult":
        """Return the result over these rows and those of another result."""
        return replace(
            self,
            failed_count=self.failed_count + other.failed_count,
            examples=(*self.examples, *other.examples)[:EXAMPLES],
            error=self.error or other.error,
        )


def load_ahead() -> None:
    """Begin to import Great Expectations, which takes seconds, while other processes work and this one waits."""
    threading.Thread(target=importlib.import_module, args=["great_expectations"], name="load-ahead").start()


def run_suites(
    suites: Mapping[str, tuple[Suite, Iterable[pd.DataFrame]]], docs_folder: Path
) -> dict[str, list[ExpectationResult]]:
    """Check frames against suites, by a name for each; of a suite one frame at a time is in memory. The Data Docs of
    this run go to `docs_folder`, a page for each frame that has rows: no rows meet every expectation.
    """
    context = _context(docs_folder)
    source = context.data_sources.add_pandas("stores")
    results = {name: _run(context, source, name, suite, frames) for name, (suite, frames) in suites.items()}
    context.build_data_docs()
    make_self_contained(docs_folder)
    return results


def _context(docs_folder: Path) -> Any:
    import great_expectations as gx  # here, not above: it takes seconds, and most commands never audit
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs_folder.absolute())},
    }
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={"audit": site},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _run(context: Any, source: Any, name: str, suite: Suite, frames: Iterable[pd.DataFrame]) -> list[ExpectationResult]:
    validation = None
    results = {
        one.name: ExpectationResult(one.name, suite.table, one.column, one.meaning, 0, ()) for one in suite.expectations
    }
    for frame in frames:
        if frame.empty:  # most audits have no rows that contradict each other, and a validation of none takes 0.2 s
            continue
        validation = validation or _validation(context, source, name, suite)
        for result in _validated(validation, suite, frame):
            results[result.name] = results[result.name].with_more(result)
    return list(results.values())


def _validation(context: Any, source: Any, name: str, suite: Suite) -> Any:
    import great_expectations as gx

    batch = source.add_dataframe_asset(name=name).add_batch_definition_whole_dataframe("rows")
    expected = [_translate(expectation) for expectation in suite.expectations]
    rules = context.suites.add(gx.ExpectationSuite(name=name, expectations=expected))
    return context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=rules))


def _validated(validation: Any, suite: Suite, frame: pd.DataFrame) -> Iterator[ExpectationResult]:
    from great_expectations.core.run_identifier import RunIdentifier

    run = partial(validation.run, batch_parameters={"dataframe": frame}, run_id=RunIdentifier())
    outcome = run(result_format="BASIC")
    if not outcome.success:  # naming the rows takes most of the time, and most audits have none to name
        outcome = run(
            result_format={
                "result_format": "SUMMARY",
                "unexpected_index_column_names": [suite.row_name],
                "partial_unexpected_count": EXAMPLES,
            }
        )
    by_name = {expectation.name: expectation for expectation in suite.expectations}
    for result in outcome.results:
        yield _check(suite, by_name[result.expectation_config.meta["name"]], result)


def _translate(expectation: Expectation) -> Any:
    import great_expectations.expectations

    gxe: Any = great_expectations.expectations  # its classes have signatures of their own making
    column, options = expectation.column, expectation.options
    documented = {"meta": {"name": expectation.name}, "notes": expectation.meaning}
    match expectation.kind:
        case "unique":
            return gxe.ExpectColumnValuesToBeUnique(column=column, **documented)
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, **documented)
        case "between":
            low, high = options["low"], options["high"]
            return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high, **documented)
        case "in_set":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(options["values"]), **documented)
        case "equal":
            return gxe.ExpectColumnPairValuesToBeEqual(
                column_A=column, column_B=options["other"], ignore_row_if="either_value_is_missing", **documented
            )


def _check(suite: Suite, expectation: Expectation, result: Any) -> ExpectationResult:
    error = "" if result.success or "unexpected_count" in result.result else _exception(result.exception_info)
    named = [str(row[suite.row_name]) for row in result.result.get("partial_unexpected_index_list") or []]
    return ExpectationResult(
        expectation.name,
        suite.table,
        expectation.column,
        expectation.meaning,
        int(result.result.get("unexpected_count") or 0),
        tuple(unescape(name) for name in dict.fromkeys(named)),
        error,
    )


def _exception(info: Mapping[str, Any]) -> str:
    """Join exception messages; Great Expectations keeps either one exception, or one per metric under its own keys."""
    exceptions = [info, *(value for value in info.values() if isinstance(value, Mapping))]
    messages = [str(each["exception_message"]) for each in exceptions if each.get("exception_message")]
    return "; ".join(dict.fromkeys(messages)) or "could not be evaluated"

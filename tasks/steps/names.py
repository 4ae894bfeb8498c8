"""Names of runs in Prefect's UI."""

from collections.abc import Callable
from typing import Any, Final

from prefect.runtime import flow_run

from heterodub.schemas.display import base_name

_SHOWN: Final = 60


def run_name(flow: str, *parameters: str) -> Callable[[], str]:
    """Name the runs of a flow by what they are asked for, such as "train stage1 tiny".

    parameters: those whose values are shown, of addresses the last part alone; flags stand for themselves where true.
    Values that a person would not want in a list, such as whom a takedown names, are not for here.
    """

    def name() -> str:
        given = flow_run.get_parameters()
        words = [text for parameter in parameters for text in _words(parameter, given.get(parameter))]
        return " ".join([flow, *words])

    return name


def _words(parameter: str, value: Any) -> list[str]:
    if value is None or value is False or value == []:
        return []
    if value is True:
        return [parameter.replace("_", " ")]
    values = value if isinstance(value, list) else [value]
    text = ", ".join(base_name(str(one)) for one in values)
    return [text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."]

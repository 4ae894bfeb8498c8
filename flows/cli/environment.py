"""Environment of the process, set before Prefect is imported: no telemetry, quiet logs; and its server."""

import atexit
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from heterodub.schemas.errors import SettingsError
from heterodub.tasks.ingestion.scratch import sweep
from heterodub.tasks.monitoring.stopping import stop
from heterodub.tasks.steps.own_server import await_own_server, start_own_server

P = ParamSpec("P")
Result = TypeVar("Result")

_DEFAULTS = {
    "DO_NOT_TRACK": "true",  # MLflow accepts only this word
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # chatter and traces stay in its UI; we report errors
    "DASK_LOGGING__DISTRIBUTED": "error",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # threads that wait for each other must not spin: where other work runs, they only keep it waiting
    "OMP_WAIT_POLICY": "passive",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "heterodub",  # our log lines stand in the UI, those of a flow run with the run
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}


_STANDING_SERVER = {
    # requests are repeated for more than eight minutes (after 2, 4, 8 ... seconds), since servers are away for updates
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",  # a server that is away is said once, by us, not with each event
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds; automations.yaml finds runs that stopped beating
}
"""Further ones where the server is not this run's own."""


def configure_environment() -> None:
    """Set the environment variables that the user has not set. Telemetry can still be switched on."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def launched_as() -> int | None:
    """Return the rank of this process under torchrun, from 0; None if torchrun did not start it."""
    return int(os.environ["RANK"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


def find_server() -> None:
    """Use the Prefect server that PREFECT_API_URL names, else one of this run's own, which starts, with a notice.

    A server that happens to listen is not asked: any user of the machine may have started it, and a client sends its
    API key along.

    Raises: SettingsError - PREFECT_API_URL names a server that cannot be reached.
    """
    signal.signal(signal.SIGINT, _stop)
    if api := os.environ.get("PREFECT_API_URL"):
        _require(api)
        for name, value in _STANDING_SERVER.items():
            os.environ.setdefault(name, value)
        return
    print(
        "starting a Prefect server for this run (`prefect server start` in another terminal keeps one, and "
        "PREFECT_API_URL=http://127.0.0.1:4200/api names it)",
        file=sys.stderr,
        flush=True,
    )
    signal.signal(signal.SIGINT, _leave)
    start_own_server().use()


def run_flow(run: Callable[P, Result], *arguments: P.args, **named: P.kwargs) -> Result:
    """Run a flow once the server answers that `prepare` started or found.

    Raises: ServerError - it does not come up. Whatever the flow raises.
    """
    await_own_server()
    return run(*arguments, **named)


def prepare(check: Callable[[], object], training: bool = False) -> None:
    """Prepare a command that runs a flow: set the environment, check its inputs, then find or start a server.

    check: the check with which the flow begins, too (tasks/preflight). A server of the run's own comes up beside it,
    and beside what the command loads afterwards; `run_flow` waits for it. Processes of torchrun other than rank 0 take
    part in the training, and end.

    Raises: SettingsError - torchrun started something that is not one training. typer.Exit - see above. HeterodubError
    - the check's.
    """
    configure_environment()
    rank = launched_as()
    if rank is not None and not training:
        raise SettingsError("torchrun starts one training, `train` or `finetune`; run this command without it")
    if rank:
        from heterodub.tasks.training.distributed import join_training

        join_training()
        raise typer.Exit
    own = None if os.environ.get("PREFECT_API_URL") else start_own_server()
    try:
        check()
        find_server()
    except BaseException:
        if own is not None:
            own.end()
        raise


_WORKER_S = 2.0
"""Seconds within which a killed worker is gone."""

_STOPPED = "stopped; what is stored is stored, and the same command goes on from there"


def _stop(number: int, frame: object) -> None:
    """Report to the server that the run was stopped, which takes some seconds."""
    print(_STOPPED, file=sys.stderr, flush=True)
    atexit.register(_end_workers)
    raise KeyboardInterrupt


def _leave(number: int, frame: object) -> None:
    """Exit at once: nobody will look at the run on a server that ends with it.

    The server, workers and the processes below them end when this one does; workers before it, so that the folders of
    theirs can be removed.
    """
    print(_STOPPED, file=sys.stderr, flush=True)
    stop()
    _end_workers()
    os._exit(128 + number)


def _end_workers() -> None:
    """Kill the workers of this process that are left, and remove the folders of those that are gone."""
    for worker in multiprocessing.active_children():
        worker.kill()
        worker.join(_WORKER_S)
    sweep()


def _require(api: str) -> None:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{api.rstrip('/')}/health", timeout=10):
            return
    except urllib.error.HTTPError:
        return  # it answers, if only to say who may ask
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"no Prefect server answers at PREFECT_API_URL={api} ({error}); start it with `prefect server start`, "
            "or unset the variable to have one started for this run"
        ) from error

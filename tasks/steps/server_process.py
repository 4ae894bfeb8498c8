"""Prefect's server of one run, as a process: `python -m heterodub.tasks.steps.server_process DESCRIPTOR`.

It serves on the listening socket that it inherits, and ends when its standard input does: when whoever started it
closes the other end or ends, however that happens.
"""

import gc
import os
import signal
import socket
import sys
import threading
import time
from typing import Final

_PATIENCE_S: Final = 60.0
"""Seconds that the server has to end by itself; one that is making its database must not be stopped halfway."""


def main() -> None:
    """Serve until standard input ends."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    gc.disable()  # what is loaded stays: looking for garbage in it takes an eighth of the time to load it
    import uvicorn
    from prefect.server.api.server import create_app

    config = uvicorn.Config(create_app(ephemeral=True, final=True), log_level="error", lifespan="on")
    gc.freeze()
    gc.enable()
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


def _end_with_input() -> None:
    """Ask the server to stop, as SIGTERM does: at once while it loads, and in an orderly way afterwards."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_S)
    os._exit(1)


if __name__ == "__main__":
    main()

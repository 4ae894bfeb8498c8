"""Promotes a version in a process that kills itself between two steps of the move. Not a test: it dies.

Words: workspace, promotion policy, version, the step behind which to die ("intend" or "set_aliases").
"""

import os
import signal
import sys
from pathlib import Path

from heterodub.schemas.cards import GENERATOR
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking import champions, ledger
from heterodub.tasks.tracking.champions import Champions
from heterodub.tasks.tracking.ledger import Evidence
from heterodub.tasks.tracking.store import open_tracking


def dying(step):
    def call(*given, **named):
        step(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return call


if __name__ == "__main__":
    root, policy, version, step = sys.argv[1:]
    owner = {"intend": ledger, "set_aliases": champions}[step]
    setattr(owner, step, dying(getattr(owner, step)))
    settings = Settings(workspace=root, promotion=Path(policy))
    ws = Workspace.open(root)
    store = open_tracking(settings.tracking, ws)
    now = ledger.last_move(ws, GENERATOR)
    before = now.to_version if now else None
    Champions(store, ws, GENERATOR).move("promote", int(version), before, "a test", Evidence())

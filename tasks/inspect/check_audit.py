"""A full audit of all stored rows, payload included, as a check of `doctor`."""

import tempfile
from functools import partial
from typing import Final

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import counted
from heterodub.schemas.errors import AuditFailedError, HeterodubError
from heterodub.tasks.releases.lines import clips_in_use
from heterodub.tasks.stores import delta, tables
from heterodub.tasks.stores.workspace import Workspace

from . import findings
from .findings import Finding

_good, _problem = partial(findings.good, "workspace"), partial(findings.problem, "workspace")

_TABLES: Final = ("catalog", "clips", "stage1", "stage2")
_WHAT: Final = "full audit"
_RESTORE: Final = "restore the files from a copy, or ingest their source anew into a new workspace"


def check_audit(settings: Settings) -> list[Finding]:
    """Look into every stored file of the line in use, whatever it met before, read-only. A workspace that cannot be
    opened is reported by check_workspace.
    """
    try:
        ws = Workspace.open(settings.workspace)
        if not all(delta.exists(ws, table) for table in _TABLES):
            return [_good(_WHAT, "nothing is stored yet")]
        versions = {table: tables.version(ws, table) for table in _TABLES}
        from heterodub.tasks.releases.audit.audit import audit  # with Great Expectations, which takes seconds

        with tempfile.TemporaryDirectory(prefix="heterodub-") as folder:
            result = audit(ws, versions, folder, clips_in_use(ws, settings), full=True)
        result.require()
    except AuditFailedError as error:
        text = str(error).removeprefix("nothing was published: ").partition(". All of it:")[0]
        return [_problem(_WHAT, text, _RESTORE)]
    except HeterodubError as error:
        return [_problem(_WHAT, str(error), _RESTORE)]
    return [_good(_WHAT, f"{len(result.checks)} expectations met by {counted(sum(result.rows.values()), 'row')}")]

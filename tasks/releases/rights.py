"""Rights of the clips of a release: whatever way they came in, none is admitted that the policy does not allow."""

from typing import Final

import pyarrow as pa

from heterodub.schemas.display import counted
from heterodub.schemas.errors import AuditFailedError
from heterodub.schemas.policy import Policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.rights import RIGHTS

COLUMNS: Final = ("stage1", "stage2", *RIGHTS)
"""Columns of `clips` that are asked."""


def require_rights(clips: pa.Table, policy: Policy) -> None:
    """Refuse to publish clips that a stage admits against the rights of the policy. clips: rows of COLUMNS.

    Routing and labels of files keep to the rights; this holds whatever else has written to the tables.

    Raises: AuditFailedError - the text names a reason, the number of clips, and what is stated of them.
    """
    groups = clips.select(COLUMNS).group_by([*COLUMNS]).aggregate([([], "count_all")]).to_pylist()
    for row in groups:
        for stage in Stage:
            if row[stage.value] and (reasons := policy.rights.refusals(stage, row)):
                stated = ", ".join(f"{name} {row[name] or 'unstated'!r}" for name in RIGHTS)
                raise AuditFailedError(
                    f"nothing was published: {stage} admits {counted(row['count_all'], 'clip')} against the policy's "
                    f"rights ({', '.join(reasons)}; {stated}): `heterodub route` refuses them"
                )

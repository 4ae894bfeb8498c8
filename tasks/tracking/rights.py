"""Rights in the footage behind a model, as its files are labelled now: consent may be withdrawn after a training."""

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import counted
from heterodub.schemas.errors import PromotionError
from heterodub.schemas.rights import RIGHTS, Use
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import active_policy
from heterodub.tasks.stores.workspace import Workspace

from .models import Version


def require_rights(ws: Workspace, version: Version, trained_on: frozenset[str]) -> None:
    """Refuse a version trained on footage whose rights the policy in force does not allow in a promoted model.

    trained_on: contents, empty if not known; those that are in the catalog no more are asked no more.

    Raises: PromotionError - some footage may not be used so. WorkspaceError - a table or the policy cannot be read.
    """
    if not (trained_on and (policy := active_policy(ws))):
        return
    about = pc.field("media_id").isin(pa.array(sorted(trained_on), pa.string())) & (pc.field("state") == "measured")
    rows = tables.read_any(ws, "catalog", ["uri", "media_id", "state", *RIGHTS], about).to_pylist()
    refused = {row["uri"]: reasons for row in rows if (reasons := policy.rights.refusals(Use.PROMOTION, row))}
    if refused:
        uri = min(refused)
        raise PromotionError(
            f"{version} is refused: the policy's rights bar {counted(len(refused), 'file')} of its training from "
            f"promotion, such as {uri}: {', '.join(refused[uri])}"
        )

"""Write a workspace of this code's layout as `layout-N.tar.gz` beside this file: run it before the layout changes.

python -m tests.tasks.stores.old.make
"""

import tarfile
import tempfile
from pathlib import Path

from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import LAYOUT_VERSION
from heterodub.tasks.releases import releases
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.labels import NewLabel, store_labels
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import fill, new_workspace

PLACE = Path(__file__).parent


def main() -> None:
    """Three files with a label and a release."""
    with tempfile.TemporaryDirectory() as folder:
        ws = new_workspace(Path(folder))
        set_policy(ws, load_policy())
        fill(ws, range(3))
        store_labels(ws, [NewLabel(sample.clip_id(0), sample.media_id(0), Stage.STAGE2, False, "blurred", "Ann")])
        origin = releases.ReleaseProvenance(sample.BACKEND, sample.EXTRACTOR, "0123456789ab", "ba9876543210", "0.1.0")
        releases.publish(ws, releases.current_versions(ws), origin, {"passed": True})
        with tarfile.open(PLACE / f"layout-{LAYOUT_VERSION}.tar.gz", "w:gz") as archive:
            archive.add(ws.root, "workspace")


if __name__ == "__main__":
    main()

"""Which names are models': all that are registered, the rivals', too."""

import pytest

from schemas.errors import NotFoundError
from schemas.rivals import RIVALS
from schemas.settings import Settings
from tasks.answers.tracing import trace
from tasks.stores.workspace import Workspace


@pytest.mark.parametrize("name", ["landmark-generator", "landmark-translator", *RIVALS])
def test_a_registered_model_s_name_is_not_taken_for_a_file_s(tmp_path, name):
    settings = Settings(workspace=Workspace.open(str(tmp_path / "ws"), create=True).root)
    with pytest.raises(NotFoundError, match=f"no {name} is registered yet: `heterodub train .*` makes one"):
        trace(settings, f"{name}/1")

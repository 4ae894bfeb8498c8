"""Every training and evaluation on a device that is not the CPU: nothing is left behind, and numbers are the CPU's."""

import numpy as np
import pytest
import torch

from schemas.reasons import Stage
from schemas.rivals import RIVALS, RivalSettings
from schemas.settings import WeightSettings
from schemas.training import Stage1Settings
from schemas.translation import Stage2Settings
from tasks.learning.paintings import Easel, RivalEasel
from tasks.learning.rivals import paired, train_rival
from tasks.learning.selection import find_release, select
from tasks.learning.stage1 import train_generator
from tasks.learning.stage2 import train_translator
from tests.pretend_device import PRETEND, There, on_pretend_device
from tests.tasks.learning.recorder import Recorder
from tests.tasks.learning.speakers import speakers


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return speakers(tmp_path_factory.mktemp("speakers") / "w", 4, 24)


STEPS = {"steps": 4, "validate_every": 2, "save_every": 2, "film_every": 4}


def translated(workspace, folder, draw=None, **changes):
    told = Recorder()
    given = {"profile": "tiny", "pace": STEPS, "losses": {"critics_from": 1}}
    selection = select(workspace, find_release(workspace, None), Stage.STAGE2)
    made = train_translator(selection, Stage2Settings(**given | changes), WeightSettings(), folder, told, draw)
    return made, told


def test_pretend_device_refuses_what_an_accelerator_refuses():
    with on_pretend_device():
        there = torch.as_tensor(np.ones((2, 3), np.float32), device=PRETEND)
        assert isinstance(there, There)
        for wrong in (
            lambda: there + torch.ones(2, 3),
            lambda: there @ torch.ones(3, 2),
            lambda: there.numpy(),
            lambda: np.asarray(there),
            lambda: there.double(),
            lambda: torch.stack([there, torch.ones(2, 3)]),
            lambda: torch.nn.functional.conv1d(torch.ones(1, 2, 3), torch.ones(1, 2, 1, device=PRETEND)),
        ):
            with pytest.raises((RuntimeError, TypeError)):
                wrong()
        assert np.array_equal((2 * there).cpu().numpy(), np.full((2, 3), 2.0))


def test_translator(workspace, tmp_path):
    _, here = translated(workspace, tmp_path / "here")
    with on_pretend_device():
        _, there = translated(workspace, tmp_path / "there", Easel(4, 4))
    assert there.losses == pytest.approx(here.losses)


@pytest.mark.parametrize("name", RIVALS)
def test_baseline(workspace, tmp_path, name):
    selection = paired(workspace, select(workspace, find_release(workspace, None), Stage.STAGE2))
    settings = RivalSettings(profile="tiny", pace=STEPS, expert_steps=2, critics_from=0)

    def trained(folder):
        told = Recorder()
        train_rival(name, selection, settings, WeightSettings(), folder, told, RivalEasel(4, 4))
        return told

    here = trained(tmp_path / "here")
    with on_pretend_device():
        there = trained(tmp_path / "there")
    assert there.losses == pytest.approx(here.losses)


def test_generator(workspace, tmp_path):
    selection = select(workspace, find_release(workspace, None), Stage.STAGE1)
    settings = Stage1Settings(profile="tiny", pace=STEPS)

    def trained(folder):
        told = Recorder()
        train_generator(selection, settings, folder, told)
        return told

    here = trained(tmp_path / "here")
    with on_pretend_device():
        there = trained(tmp_path / "there")
    assert there.losses == pytest.approx(here.losses)

"""The landmark generator: shapes, fusion, what it can and cannot see, and the loss."""

import numpy as np
import pytest
import torch

from heterodub.model.io import load_generator, save_model
from heterodub.model.stage1.linear import LinearMotion
from heterodub.model.stage1.network import EXTRA_COLUMNS, LandmarkGenerator, LossWeights, landmark_loss
from heterodub.schemas.cards import GeneratorCard
from heterodub.schemas.config.training import Stage1Settings

SHAPE = Stage1Settings(preset="tiny").architecture


def generator(seed=0, architecture=SHAPE):
    torch.manual_seed(seed)
    made = LandmarkGenerator(architecture)
    for head in (made.face, made.lips):  # they start at zero, where nothing could be seen to matter
        torch.nn.init.normal_(head.out.weight)
    return made.eval()


def inputs(frames=40, clips=2, references=3, seed=0, width=80):
    torch.manual_seed(seed)
    return {
        "mel_BCM": torch.randn(clips, 4 * frames + EXTRA_COLUMNS, width),
        "pose_BTPXY": torch.randn(clips, frames, 116, 2),
        "reference_BRPXY": torch.randn(clips, references, 216, 2),
        "used_BR": torch.ones(clips, references, dtype=torch.bool),
    }


def test_shapes_for_any_length_and_number_of_references():
    for frames, references in ((1, 1), (7, 5), (64, 2)):
        assert generator()(**inputs(frames, 2, references)).shape == (2, frames, 100, 2)


def test_lengths_that_do_not_fit_are_refused():
    given = inputs()
    with pytest.raises(ValueError, match="40 frames do not fit"):
        generator()(**given | {"mel_BCM": given["mel_BCM"][:, :-4]})


def test_fusion_weights_sum_to_one():
    made = generator()
    with torch.no_grad():
        made.fusion_logits.copy_(torch.tensor([3.0, -8.0, 0.5]))
    assert made.fusion.sum().item() == pytest.approx(1.0)
    assert (made.fusion > 0).all()


def test_untrained_generator_predicts_the_mean_reference():
    torch.manual_seed(0)
    given = inputs()
    rest = given["reference_BRPXY"].mean(1)
    made = LandmarkGenerator(SHAPE)
    expected = rest[:, made.predicted][:, None].expand(-1, 40, -1, -1)
    torch.testing.assert_close(made(**given), expected)


def test_references_are_order_free_and_padding_is_ignored():
    given, made = inputs(), generator()
    turned = given | {"reference_BRPXY": given["reference_BRPXY"].flip(1)}
    torch.testing.assert_close(made(**given), made(**turned), atol=1e-5, rtol=1e-4)
    more = torch.cat([given["reference_BRPXY"], 100 * torch.randn(2, 4, 216, 2)], dim=1)
    used = torch.cat([given["used_BR"], torch.zeros(2, 4, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(
        made(**given), made(**given | {"reference_BRPXY": more, "used_BR": used}), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("frame", [0, 20, 39])
@pytest.mark.parametrize("mel_encoder", ["1d", "2d"])
def test_mel_window_is_200_ms(frame, mel_encoder):
    """With no convolution along time, a frame depends on its 20 columns and no other."""
    changes = {"time_kernel": 1, "time_blocks": 0, "mel_encoder": mel_encoder, "linear_skip": True}
    made = generator(architecture=SHAPE.model_copy(update=changes))
    made.set_linear(linear_map())
    given = inputs()
    mel = given["mel_BCM"].clone().requires_grad_()
    made(**given | {"mel_BCM": mel})[:, frame].sum().backward()
    heard = torch.nonzero(mel.grad.abs().sum((0, 2)))[:, 0].tolist()
    assert heard == list(range(4 * frame, 4 * frame + 20))


def linear_map(width=80):
    draw = np.random.default_rng(0)
    return LinearMotion(*(draw.normal(size=shape).astype(np.float32) for shape in ((5, width, 20), 5, (5, 200))))


def test_untrained_generator_with_a_skip_path_predicts_its_linear_map():
    given = inputs()
    made, linear = LandmarkGenerator(SHAPE.model_copy(update={"linear_skip": True})), linear_map()
    made.set_linear(linear)
    rest = given["reference_BRPXY"].mean(1)[:, made.predicted][:, None]
    moved = np.stack([linear.predict(mel) for mel in given["mel_BCM"].numpy()])
    torch.testing.assert_close(made(**given) - rest, torch.as_tensor(moved), atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize(
    "changes", [{"linear_skip": True}, {"mel_encoder": "2d"}, {"speech_features": "mel+senones", "linear_skip": True}]
)
def test_saved_generator_predicts_the_same(tmp_path, changes):
    made = generator(architecture=SHAPE.model_copy(update=changes))
    made.set_linear(linear_map(made.architecture.speech_width))
    card = GeneratorCard(architecture=made.architecture, backend="test", release="r", seed=0, steps=1)
    save_model(tmp_path, made, card)
    loaded, _ = load_generator(tmp_path)
    given = inputs(width=made.architecture.speech_width)
    torch.testing.assert_close(loaded(**given), made(**given))


def test_receptive_field_is_bounded_by_reach():
    given, made = inputs(frames=90), generator()
    pose = given["pose_BTPXY"].clone().requires_grad_()
    made(**given | {"pose_BTPXY": pose})[:, 45].sum().backward()
    seen = torch.nonzero(pose.grad.abs().sum((0, 2, 3)))[:, 0]
    assert seen.min() >= 45 - made.reach
    assert seen.max() <= 45 + made.reach
    assert seen.max() > 45


def test_filtered_pose_components_do_not_reach_the_network():
    given, made = inputs(), generator()
    made.set_pose_filter(np.zeros((232, 232), np.float32))
    other = given | {"pose_BTPXY": torch.randn_like(given["pose_BTPXY"])}
    torch.testing.assert_close(made(**given), made(**other))


def test_losses_by_hand():
    target = torch.zeros(1, 4, 100, 2)
    predicted = torch.zeros(1, 4, 100, 2)
    predicted[:, :, 40:, 1] = torch.tensor([1.0, 1.0, 3.0, 100.0])[None, :, None]
    counts = torch.tensor([[True, True, True, False]])
    losses = landmark_loss(predicted, target, counts, LossWeights(velocity=0.5, motion=2.0), lambda value: value)
    assert losses["l1"].item() == pytest.approx(5 / 3 * 0.6 / 2)
    assert losses["velocity"].item() == pytest.approx(2 / 2 * 0.6 / 2)
    # lips at 1, 1, 3 depart from their mean 5/3 by 2/3, 2/3, 4/3
    assert losses["motion"].item() == pytest.approx(8 / 9 / 2)
    assert losses["total"].item() == pytest.approx(0.5 + 0.5 * 0.3 + 2 * 8 / 18)


def test_frames_that_do_not_count_change_no_loss():
    torch.manual_seed(0)
    predicted, target = torch.randn(2, 6, 100, 2), torch.randn(2, 6, 100, 2)
    counts = torch.tensor([[True] * 4 + [False] * 2, [False] + [True] * 5])
    weights = LossWeights(1.0, 1.0)
    before = landmark_loss(predicted, target, counts, weights, lambda value: value)
    predicted[~counts] += 7
    after = landmark_loss(predicted, target, counts, weights, lambda value: value)
    assert {name: value.item() for name, value in before.items()} == pytest.approx(
        {name: value.item() for name, value in after.items()}
    )

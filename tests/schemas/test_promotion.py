"""The promotion policy: read, refused when it is wrong, known by its content."""

import pytest

from heterodub.schemas.errors import SettingsError
from heterodub.schemas.promotion import DEFAULT_PROMOTION, load_promotion_policy


def written(tmp_path, text: str):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return path


def test_default_policy_covers_the_landmark_generator():
    policy = load_promotion_policy()
    rule = policy.rule("landmark-generator")
    assert rule.primary == "nme_lips" and rule.minimum_effect > 0
    assert {"copy", "linear", "unpaired audio"} <= set(rule.controls)
    with pytest.raises(SettingsError, match=r"no \[models.nobody\]"):
        policy.rule("nobody")


def test_hash_follows_the_content_and_not_the_layout(tmp_path):
    text = DEFAULT_PROMOTION.read_text()
    same = load_promotion_policy(written(tmp_path, text + "\n# a comment\n"))
    assert same.hash == load_promotion_policy().hash
    other = load_promotion_policy(written(tmp_path, text.replace("minimum_effect = 0.02", "minimum_effect = 0.03")))
    assert other.hash != same.hash


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("name = ", "not TOML"),
        ('name = "x"\nversion = 0\n[models]\n', "version = 0"),
        ('name = "x"\nversion = 1\n', "models is missing"),
        (
            DEFAULT_PROMOTION.read_text().replace("minimum_effect", "minimum_efect"),
            "minimum_efect is not a known field",
        ),
        (DEFAULT_PROMOTION.read_text().replace("minimum_effect = 0.02", "minimum_effect = nan"), "minimum_effect"),
    ],
)
def test_wrong_policy_is_named(tmp_path, text, cause):
    with pytest.raises(SettingsError, match=cause.replace("[", r"\[")):
        load_promotion_policy(written(tmp_path, text))


def test_missing_policy_is_named(tmp_path):
    with pytest.raises(SettingsError, match="nowhere"):
        load_promotion_policy(tmp_path / "nowhere.toml")

"""Settings of the official evals: those of the published benchmark by name, and mistakes refused."""

from __future__ import annotations

import pytest

from husai_saebench import profiles
from husai_saebench.profiles import HUB, OFFICIAL, OWN, SMOKE, Settings

ALL = [kind for kind in vars(profiles).values() if isinstance(kind, type) and issubclass(kind, Settings)]
KINDS = [kind for kind in ALL if kind.profiles]  # the others are what several share
PUBLISHED = {
    "CoreSettings": {"n_eval_reconstruction_batches": 200, "n_eval_sparsity_variance_batches": 2000},
    "SparseProbingSettings": {"probe_train_set_size": 4000, "probe_test_set_size": 1000, "k_values": [1, 2, 5]},
    "SaeProbesSettings": {"ks": [1, 2, 5]},
    "AbsorptionSettings": {"max_k_value": 10, "k_sparse_probe_num_epochs": 50, "min_feats_for_eval": 20},
    "TppSettings": {"train_set_size": 4000, "n_values": [2, 5, 10, 20, 50, 100, 500]},
    "ScrSettings": {"train_set_size": 4000, "n_values": [2, 5, 10, 20, 50, 100, 500]},
    "AutointerpSettings": {"n_latents": 1000, "total_tokens": 2_000_000},
    "MetaStructureSettings": {"train_steps": 1500, "train_batch_size": 1024},
    "RavelSettings": {"top_n_entities": 500, "top_n_templates": 90, "num_pairs_per_attribute": 5000, "num_epochs": 2},
    "NotDrivenSettings": {},
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("profile", [OFFICIAL, SMOKE])
def test_a_profile_gives_every_setting_that_is_not_given(kind, profile):
    settings = kind(profile=profile)
    assert None not in [value for name, value in vars(settings).items()]
    for name, value in kind.profiles[profile].items():
        assert getattr(settings, name) == value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_official_profile_is_the_published_one(kind):
    official = kind(profile=OFFICIAL).official()
    assert PUBLISHED[kind.__name__].items() <= official.items()


@pytest.mark.parametrize("kind", [k for k in KINDS if "texts" in k.profiles[SMOKE]], ids=lambda kind: kind.__name__)
def test_texts_are_handed_over_or_taken_from_the_hub_and_never_both(kind):
    handed, published = kind(), kind(profile=OFFICIAL)
    assert handed.text_sets()
    assert not handed.hub_sets()
    assert OWN in str(handed.official())
    assert published.texts == (HUB,)
    assert not published.text_sets()
    assert published.hub_sets()


def test_data_sets_of_the_hub_stand_under_their_own_names_once():
    names = profiles.SparseProbingSettings(profile=OFFICIAL).hub_sets()
    assert "LabHC/bias_in_bios" in names
    assert "canrager/amazon_reviews_mcauley_1and5" in names
    assert len(names) == len(set(names)) == 5
    assert not any("class_set" in name or "sentiment" in name for name in names)


def test_what_is_given_goes_before_the_profile():
    settings = profiles.SparseProbingSettings(profile=OFFICIAL, test_texts=40, ks=(3,))
    assert settings.official()["probe_test_set_size"] == 40
    assert settings.official()["k_values"] == [3]
    assert settings.train_texts == 4000


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"profile": "offical"}, "did you mean 'official'"),
        ({"ks": (0,)}, "ks must be at least 1"),
        ({"ks": (2, 2)}, "ks names something twice"),
        ({"train_texts": 2}, "train_texts must be at least 8"),
        ({"seed": -1}, "seed must be from 0"),
        ({"seed": 2**32}, "seed must be from 0"),
        ({"leave_out": ("route", "route")}, "leave_out names something twice"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        profiles.SparseProbingSettings(**given)


def test_an_official_profile_is_thought_to_take_more_room_than_a_small_one():
    for kind in (profiles.SparseProbingSettings, profiles.TppSettings, profiles.ScrSettings):
        small, large = kind().space(), kind(profile=OFFICIAL).space()
        assert small.memory < large.memory
        assert small.disk < large.disk
    # Five classes of 2,500 documents of 128 tokens of 768 numbers of four bytes, read and held a second time.
    assert profiles.SparseProbingSettings(profile=OFFICIAL).space().memory == 2 * 5 * 2500 * 128 * 768 * 4

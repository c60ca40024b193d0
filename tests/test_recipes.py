"""Recipes are data: each names its network, and says what it can't be."""

import copy
import json
import pickle
from dataclasses import asdict, replace

import numpy as np
import pytest

from cifar_utils.models import list_models
from cifar_utils.recipes import RECIPES, Recipe

QUICK = replace(RECIPES["valid_cnn"], epochs=3)


def test_every_system_has_its_recipe_and_every_recipe_its_network():
    assert {"plain_cnn", "plain_cnn_l2", "dense_head_cnn", "dense_head_cnn_augmented"} <= set(
        RECIPES
    )
    assert {"valid_cnn", "residual_cnn", "resnet20", "plain20"} <= set(RECIPES)
    for name, recipe in RECIPES.items():
        assert recipe.name == name and recipe.model in list_models() and recipe.source


@pytest.mark.parametrize(
    ("options", "message"),
    [({"optimizer": "adamw"}, "optimizer.*'adamw'"), ({"schedule": "step"}, "schedule.*'step'"),
     ({"normalization": "l2"}, "normalization.*'l2'"), ({"epochs": -1}, "epochs.*-1"),
     ({"initialization": "zeros"}, "initialization.*'zeros'"), ({"batch_size": 0}, "size.*0"),
     ({"initialization": "whitening"}, "'zscore'.*'unit'"), ({"learning_rate": -1.0}, "rate.*-1"),
     ({"label_smoothing": 1.5}, "smoothing.*1.5"), ({"sides": ((1.5, 16),)}, "sides.*1.5"),
     ({"sides": ((0.5, 16), (0.2, 24))}, "rising"), ({"sides": ((0.5, 4),)}, "sides.*4"),
     ({"mixup": 0.2, "augmentation": (("crop_alternating_flip", 2),)}, "no mixup.*0.2"),
     ({"epochs": True}, "epochs.*True"), ({"learning_rate": float("inf")}, "rate.*inf"),
     ({"offset_rate": 0, "optimizer": "sgd"}, "offset_rate .*above 0 .*0"),
     ({"offset_rate": 64.0}, "'sgd' or 'muon' for lookahead and faster offsets.*'adam'"),
     ({"mixup": "0.2"}, "mixup.*'0.2'"), ({"weight_decay": None}, "decay.*None"),
     ({"model": "plain_cn"}, "Did you mean 'plain_cnn'"), ({"learning_rate": True}, "rate.*True"),
     ({"augmentation": (("crop_flp", 4),)}, "Did you mean 'crop_flip'"),
     ({"augmentation": (("crop_flip",),)}, "pairs"), ({"augmentation": ("flip",)}, "pairs.*'flip'"),
     ({"sides": (16,)}, r"sides as \(share, side\).*16"), ({"sides": 16}, "sides as"),
     ({"sides": ((0.5, 16.0),)}, "sides as"), ({"lookahead": 1}, "lookahead of True or False"),
     ({"model_options": [0.1]}, "model_options as a mapping")],
)  # fmt: skip
def test_bad_recipes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**{"name": "x", "model": "plain_cnn", "source": "", "epochs": 1} | options)


def test_a_training_on_small_images_ends_with_whole_ones_however_short():
    phases = replace(QUICK, epochs=1, sides=((0.7, 16),)).phases()
    assert list(phases) == [(0, 1, 32)]
    phases = replace(QUICK, epochs=10, sides=((0.5, 16), (0.8, 24))).phases()
    assert list(phases) == [(0, 5, 16), (5, 8, 24), (8, 10, 32)]
    assert list(replace(QUICK, sides=((1.0, 16),)).phases()) == [(0, 3, 16)]


def test_phases_are_cut_where_the_whitening_layer_is_frozen():
    recipe = replace(QUICK, epochs=11, sides=((5 / 11, 20),), whitening_epochs=3)
    assert recipe.phases() == [(0, 3, 20), (3, 5, 20), (5, 11, 32)]
    assert replace(recipe, whitening_epochs=5).phases() == [(0, 5, 20), (5, 11, 32)]
    assert replace(recipe, whitening_epochs=99).phases() == [(0, 5, 20), (5, 11, 32)]


def test_settings_hold_what_is_on_and_fit_into_json():
    options = {"statistics": (np.full(3, 0.5), np.full(3, 0.25))}
    settings = replace(QUICK, epochs=np.int64(1), model_options=options).settings()
    assert settings["model_options"]["statistics"] == [[0.5] * 3, [0.25] * 3]
    assert "mixup" not in settings and "offset_rate" not in settings
    assert RECIPES["fast_cnn"].settings()["offset_rate"] == 53.0


def test_unknown_recipe_is_answered_with_the_near_ones_and_none_can_be_added():
    with pytest.raises(ValueError, match=r"Received: 'fast_cn'. Did you mean 'fast_cnn'"):
        RECIPES["fast_cn"]
    assert "fast_cn" not in RECIPES and RECIPES.get("fast_cn") is None
    with pytest.raises(TypeError):
        RECIPES["mine"] = QUICK


def test_no_recipe_can_be_changed_through_its_options():
    mine = {"dropout": [0.1, 0.1, 0.1]}
    recipe = Recipe(name="x", model="plain_cnn", source="", epochs=1, model_options=mine)
    mine["dropout"][0] = 0.9
    assert recipe.model_options == {"dropout": (0.1, 0.1, 0.1)}
    assert replace(recipe, model_options={"dropout": np.full(3, 0.1)}) == recipe
    for change in (
        lambda options: options.update(l2=1),
        lambda options: options.__setitem__("l2", 1),
        lambda options: options.pop("bn_momentum"),
        lambda options: options.clear(),
    ):
        with pytest.raises(TypeError, match=r"dataclasses.replace"):
            change(RECIPES["plain_cnn"].model_options)
    assert RECIPES["valid_cnn"].model_options == {"bn_momentum": 0.99}


@pytest.mark.parametrize("again", [copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r)), replace])
def test_recipes_can_be_copied(again):
    recipe = RECIPES["fast_cnn"]
    assert again(recipe) == recipe and asdict(again(recipe)) == asdict(recipe)
    assert len({recipe, again(recipe)}) == 1


def test_lists_are_taken_where_tuples_are_kept():
    recipe = replace(QUICK, augmentation=[["flip", 0]], sides=[[0.5, 16]])
    assert recipe.augmentation == (("flip", 0.0),) and recipe.sides == ((0.5, 16),)


def test_recipes_come_back_from_json_and_take_numpys_numbers():
    for recipe in RECIPES.values():
        assert Recipe(**json.loads(json.dumps(recipe.settings()))) == recipe
    numbers = {"learning_rate": np.float32(0.5), "epochs": np.uint8(2), "mixup": 1}
    made = replace(QUICK, **numbers)
    assert [type(getattr(made, name)) for name in numbers] == [float, int, float]
    for wrong in ({"mixup": 1e-8}, {"name": []}, {"source": None}):
        with pytest.raises(ValueError, match=f"Expected .*{next(iter(wrong))}"):
            replace(QUICK, **wrong)


def test_a_recipe_for_other_batches_learns_as_much_from_each_image():
    recipe = replace(QUICK, batch_size=100, model_options={"bn_momentum": 0.5})
    small = recipe.with_batch_size(25)
    assert small.batch_size == 25 and small.epochs == recipe.epochs
    # Four small steps forget as much of the moving averages as a large one.
    assert small.model_options["bn_momentum"] ** 4 == pytest.approx(0.5)
    rates = {}
    for optimizer in ("sgd", "adam"):
        before = replace(recipe, optimizer=optimizer, learning_rate=0.4)
        rates[optimizer] = before.with_batch_size(25).learning_rate
    assert rates == pytest.approx({"sgd": 0.1, "adam": 0.2})
    assert recipe.with_batch_size(100) == recipe
    with pytest.raises(ValueError, match="Expected batch_size"):
        recipe.with_batch_size(0)

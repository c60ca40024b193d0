"""Networks that come with the package are those that the ledger tells of."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from test_tables import make_judgement

from cifar_utils import pretrained
from cifar_utils.data import load_cifar10_test
from cifar_utils.evaluation import expected_calibration_error, predict_probabilities
from cifar_utils.models import build_model
from cifar_utils.pretrained import (
    TRAINED,
    load_judgement,
    load_out_of_fold,
    load_trained,
    model_card,
)

RESULTS = Path(__file__).parents[1] / "results"


def test_they_are_small_and_of_records_with_validation_images():
    files = list(pretrained.FOLDER.iterdir())
    assert sum(file.stat().st_size for file in files) < 10e6
    assert {file.stem for file in files} == set(TRAINED)
    for name, about in TRAINED.items():
        record = json.loads((RESULTS / f"{about.record}.json").read_text())
        assert name == about.network == record["model"]
        assert record["recipe"] == about.recipe and record["data"]["train_images"] == 45_000
        for field in ("test_accuracy", "temperature"):
            assert getattr(about, field) == record[field]
        assert 0.5 < about.threshold < 1  # so few of 5,000 answers that are wrong: it isn't 0


@pytest.mark.parametrize("name", list(TRAINED))
def test_a_loaded_network_is_as_good_as_its_record_says(name, cifar10):
    x_test, y_test = cifar10
    model = load_trained(name)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    assert model.compiled is False
    probabilities = predict_probabilities(model, x_test, temperature=TRAINED[name].temperature)
    accuracy = np.mean(probabilities.argmax(axis=1) == y_test)
    # Three deviations of the accuracy on so few images.
    assert abs(accuracy - TRAINED[name].test_accuracy) < 0.03
    assert expected_calibration_error(y_test, probabilities, bins=5) < 0.04
    answered = probabilities.max(axis=1) >= TRAINED[name].threshold
    assert answered.mean() > 0.65
    assert (probabilities.argmax(axis=1) == y_test)[answered].mean() > 0.965  # 0.98 promised


@pytest.fixture(scope="module")
def cifar10():
    """The first 1,000 test images, where CIFAR-10 is at hand."""
    from cifar_utils.data import find_cifar10

    if not find_cifar10():
        pytest.skip("CIFAR-10 is not at hand: trained networks are not judged")
    return load_cifar10_test("cifar10", limit=1000)


def test_half_precision_changes_no_more_than_it_must(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_model("valid_cnn", num_classes=3)
    sha256 = pretrained.write_network(model, tmp_path / "deep" / "valid_cnn.npz")
    about = replace(TRAINED["valid_cnn"], options={"num_classes": 3}, sha256=sha256)
    again = pretrained.read_network(about, tmp_path / "deep" / "valid_cnn.npz")
    for before, after in zip(model.get_weights(), again.get_weights(), strict=True):
        assert after.dtype == np.float32
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-7)


def test_a_network_that_is_not_there_is_answered_with_the_near_ones():
    with pytest.raises(ValueError, match="Did you mean 'valid_cnn'"):
        load_trained("valid_cn")


def test_a_damaged_or_missing_file_is_reported_by_name(tmp_path, monkeypatch):
    shutil.copy(pretrained.FOLDER / "valid_cnn.npz", tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with (tmp_path / "valid_cnn.npz").open("r+b") as file:
        file.seek(1000)
        file.write(b"!")
    with pytest.raises(ValueError, match=r"Expected valid_cnn\.npz as it was written"):
        load_trained("valid_cnn")
    (tmp_path / "valid_cnn.npz").unlink()
    with pytest.raises(ValueError, match=r"Expected valid_cnn\.npz, a file of weights"):
        load_trained("valid_cnn")


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """The judgement of one network, as it comes with the package."""
    monkeypatch.setattr(pretrained, "JUDGEMENTS", tmp_path / "judgements.json")
    record = make_judgement("fast_cnn", accuracy=0.9)
    pretrained.JUDGEMENTS.write_text(json.dumps({TRAINED["fast_cnn"].record: record}))
    return record


def test_a_judgement_is_that_of_the_networks_own_training(judged):
    found = load_judgement("fast_cnn")
    assert found == {"figures": judged["figures"], "corrupted": judged["corrupted"]}
    with pytest.raises(ValueError, match=r"of valid_cnn in judgements\.json.*judge valid_cnn"):
        load_judgement("valid_cnn")
    with pytest.raises(ValueError, match="Did you mean 'fast_cnn'"):
        load_judgement("fast_cn")


def test_a_model_card_says_what_for_how_good_and_what_breaks_it_and_its_code_runs(judged):
    card = model_card("fast_cnn")
    assert len(card.splitlines()) <= 50 and max(map(len, card.splitlines())) <= 100
    assert "498,690 parameters" in card and TRAINED["fast_cnn"].record in card
    assert "| accuracy | 90.0 % (89.0 to 91.0) |" in card and "10,000 test images" in card
    assert "54 of its labels" in card and "286 of its images" in card
    assert "| gaussian noise | 30.0 % | 30.0 % |\n| contrast | 80.0 % | 40.0 % |\n" in card
    _, code, _ = card.replace("```python", "```").split("```")
    exec(code, {"images": np.zeros((2, 32, 32, 3), "uint8")})
    with pytest.raises(ValueError, match="Expected a judgement of valid_cnn"):
        model_card("valid_cnn")


def test_out_of_fold_probabilities_that_are_not_there_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "OUT_OF_FOLD", tmp_path / "out_of_fold.npz")
    with pytest.raises(ValueError, match=r"Expected out_of_fold\.npz.*cifar_utils out-of-fold"):
        load_out_of_fold()

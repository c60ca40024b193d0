"""A notebook starts with one call, which prints one line and nothing else."""

import os
import random
import re
import subprocess
import sys
import types

import numpy as np
import pytest

from cifar_utils import notebook
from cifar_utils.data import load_cifar10
from cifar_utils.fast import machine
from cifar_utils.notebook import check_answer, profile, quiet_stderr, start

START = """
from cifar_utils.notebook import start
start(seed=3)
import keras, random
print(keras.backend.backend(), random.random(), float(keras.ops.ones(())))
"""


def test_start_prints_one_line_and_keeps_tensorflows_greetings_off_the_page():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    environment["CIFAR_UTILS_SOURCE"] = "synthetic"
    command = [sys.executable, "-c", START]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    line, rest = done.stdout.splitlines()
    assert line.startswith("full profile | Python 3.") and " | drawn stand-in" in line
    assert ", TensorFlow 2." in line and ", Keras 3." in line and " core" in line
    assert rest == f"tensorflow {random.Random(3).random()} 1.0"
    assert done.stderr == ""


def test_start_without_keras_sets_the_other_seeds(capsys):
    drawn = []
    for _ in range(2):
        start(5, keras=False)
        drawn.append((random.random(), np.random.random()))  # noqa: NPY002
    assert drawn[0] == drawn[1]
    assert "Keras" not in capsys.readouterr().out


def test_line_names_the_gpu_or_the_processors_strongest_unit(monkeypatch):
    parts = {"processor": "P", "cores": 2, "vector_units": ["avx2", "amx_bf16"]}
    assert notebook._device(parts | {"accelerator": "none"}) == "2 cores (P, amx_bf16)"
    monkeypatch.setattr(machine, "hardware", lambda: parts | {"accelerator": "Tesla T4"})
    assert notebook._device(machine.hardware()) == "Tesla T4"
    # Here, the backend can't use it.
    assert notebook._device(machine.usable_hardware()) == "2 cores (P, amx_bf16)"


@pytest.mark.parametrize(("source", "at_hand"), [("", True), ("", False), ("synthetic", True)])
def test_line_says_which_images_there_will_be(source, at_hand, monkeypatch, capsys):
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", source)
    monkeypatch.setattr(notebook, "find_cifar10", lambda: "here" if at_hand else None)
    start(keras=False)
    expected = "drawn stand-in" if source else "at hand" if at_hand else "to be downloaded"
    assert expected in capsys.readouterr().out


def test_profile_is_full_unless_told(monkeypatch):
    assert profile() == "full"
    monkeypatch.setenv("CIFAR_UTILS_PROFILE", "smoke")
    assert profile() == "smoke"
    monkeypatch.setenv("CIFAR_UTILS_PROFILE", "quick")
    with pytest.raises(ValueError, match=r"CIFAR_UTILS_PROFILE of .*'smoke'.*Received: 'quick'"):
        start(keras=False)


def test_quiet_stderr_shows_what_it_held_back_only_after_an_error(capfd):
    with quiet_stderr():
        os.write(2, b"greetings\n")
    assert capfd.readouterr().err == ""
    with pytest.raises(OSError), quiet_stderr():
        os.write(2, b"the reason\n")
        raise OSError
    assert capfd.readouterr().err == "the reason\n"


def test_a_closed_stderr_holds_nothing_back(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with quiet_stderr():
        pass
    command = [sys.executable, "-c", START.split("import keras")[0]]
    environment = os.environ | {"KERAS_BACKEND": "numpy", "CIFAR_UTILS_SOURCE": "synthetic"}
    options = {"capture_output": True, "text": True, "env": environment, "check": True}
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], **options)
    assert ", Keras 3." in done.stdout


@pytest.mark.parametrize("seed", [-1, 0.5, "0", 2**32])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ValueError, match="Expected seed"):
        start(seed, keras=False)


def test_a_misspelt_source_is_told_with_its_variable(monkeypatch):
    monkeypatch.setenv("CIFAR_UTILS_SOURCE", "synthetc")
    for call in (lambda: start(keras=False), load_cifar10):
        with pytest.raises(ValueError, match=r"CIFAR_UTILS_SOURCE.*Did you mean 'synthetic'"):
            call()


def double(values):
    return 2 * values


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (double, "solved"),
        (lambda values: values, r"With \(3\), it should be 6, not 3\. Think\."),
        (lambda values: "six", r"With \(3\), it should be 6, not 'six'\. Think\."),
        (lambda values: 6, r"With \(an array of shape \(3, 5\)\), the shape is wrong\. Think\."),
        (
            lambda values: 6 if np.ndim(values) == 0 else 1 / 0,
            "it stops: ZeroDivisionError",
        ),
        (lambda: 6, "it stops: TypeError: "),
    ],
)
def test_an_answer_is_told_its_first_failing_case_and_a_hint(answer, told, capsys):
    grid = np.ones((3, 5))
    wrong_shape = lambda result: None if np.shape(result) == (3, 5) else "the shape is wrong"  # noqa: E731
    check_answer(7, answer, [((3,), 6), ((grid,), wrong_shape), ((grid,), 2 * grid)], "Think.")
    said = capsys.readouterr().out
    assert re.match(f"Exercise 7: (not solved yet\\. )?.*{told}", said), said
    assert (told == "solved") == ("not solved" not in said)


def test_an_answer_not_begun_gets_no_hint(capsys):
    for right in (6, lambda result: "it is wrong"):
        check_answer(7, lambda values: None, [((3,), right)], "Think.")
        said = capsys.readouterr().out
        assert said == "Exercise 7: not solved yet. The answer is None so far.\n"


def test_an_answer_without_arguments_is_told_no_empty_brackets(capsys):
    check_answer(7, lambda: 5, [((), lambda result: "it is five")], "Think.")
    assert capsys.readouterr().out == "Exercise 7: not solved yet. It is five. Think.\n"


def test_an_answer_is_tried_on_what_has_no_values_yet(capsys):
    symbol = types.SimpleNamespace(shape=(None, 8))  # as keras.Input gives
    check_answer(2, lambda x: 0, [((symbol,), lambda result: "it is 0")], "Think.")
    said = capsys.readouterr().out
    assert (
        said == "Exercise 2: not solved yet. With (an array of shape (None, 8)), it is 0. Think.\n"
    )


def test_an_answer_may_differ_by_rounding_alone(capsys):
    values = np.float32([0.1, 0.2])
    check_answer(1, double, [((values,), [0.2, 0.4])], "")
    check_answer(1, double, [((values,), [0.2, 0.41])], "")
    check_answer(1, double, [((values,), [[0.2, 0.4]])], "")
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith("Exercise 1: solved") for line in lines] == [True, False, False]
    assert "should be [0.2, 0.41]" in lines[1]

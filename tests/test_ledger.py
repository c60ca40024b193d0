"""Facts about machine and software."""

import json
import os
import platform

import keras
import numpy as np
import pytest

import cifar_utils
from cifar_utils.ledger import hardware, versions


def test_hardware_says_what_this_machine_computes_with():
    found = hardware()
    assert list(found) == ["processor", "cores", "memory_gib", "accelerator"]
    assert isinstance(found["processor"], str)
    assert isinstance(found["cores"], int)
    assert found["cores"] >= 1
    assert isinstance(found["memory_gib"], float)
    assert found["memory_gib"] > 0
    assert isinstance(found["accelerator"], str)
    assert found["accelerator"]


def test_accelerator_is_none_where_there_is_no_driver(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware()["accelerator"] == "none"


def test_accelerator_is_the_first_gpu_that_the_driver_lists(monkeypatch, tmp_path):
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'NVIDIA A100'\necho 'NVIDIA T4'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware()["accelerator"] == "NVIDIA A100"


def test_versions_are_those_of_what_is_imported():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["keras"] == keras.__version__
    assert all(isinstance(version, str) and version for version in found.values())


def test_facts_fit_into_json():
    assert json.loads(json.dumps(hardware())) == hardware()
    assert {"python", "keras", "tensorflow"} <= set(json.loads(json.dumps(versions())))


def test_quiet_stderr_shows_what_it_held_back_only_after_an_error(capfd):
    with cifar_utils.quiet_stderr():
        os.write(2, b"greetings\n")
    assert capfd.readouterr().err == ""
    with pytest.raises(OSError), cifar_utils.quiet_stderr():
        os.write(2, b"the reason\n")
        raise OSError
    assert capfd.readouterr().err == "the reason\n"

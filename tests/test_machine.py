"""The machine is known by its parts, and its best precision by a measurement."""

import json
import platform
from pathlib import Path

import keras
import numpy as np
import pytest

from cifar_utils.fast import machine
from cifar_utils.fast.machine import hardware, versions

best_precision = machine.best_precision.__wrapped__  # asked anew each time, as by a new process


def test_hardware_says_what_this_machine_computes_with():
    found = hardware()
    assert list(found) == ["processor", "cores", "memory_gib", "vector_units", "accelerator"]
    assert isinstance(found["processor"], str) and found["processor"]
    assert isinstance(found["cores"], int) and found["cores"] >= 1
    assert isinstance(found["memory_gib"], float) and found["memory_gib"] > 0
    assert set(found["vector_units"]) <= set(machine.VECTOR_UNITS)
    assert isinstance(found["accelerator"], str) and found["accelerator"]


def test_vector_units_are_those_that_linux_tells_of(monkeypatch):
    flags = (
        "processor : 0\nmodel name : P\nflags : fpu avx512_bf16 avx2 amx_tile amx_bf16 avx512f\n"
    )
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: flags)
    assert machine.vector_units() == ["avx2", "avx512f", "avx512_bf16", "amx_bf16"]
    assert hardware()["processor"] == "P"


def gpu_of(driver, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    if driver:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{driver}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    machine._gpu.cache_clear()
    try:
        return hardware()["accelerator"]
    finally:
        machine._gpu.cache_clear()


def test_accelerator_is_none_where_there_is_no_driver(monkeypatch, tmp_path):
    assert gpu_of("", tmp_path, monkeypatch) == "none"


def test_accelerator_is_the_first_gpu_that_the_driver_lists(monkeypatch, tmp_path):
    driver = "echo 'NVIDIA A100'\necho 'NVIDIA T4'"
    assert gpu_of(driver, tmp_path, monkeypatch) == "NVIDIA A100"


def test_versions_are_those_of_what_is_imported():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["keras"] == keras.__version__
    assert all(isinstance(version, str) and version for version in found.values())


def test_facts_fit_into_json():
    assert json.loads(json.dumps(hardware())) == hardware()
    assert {"python", "keras", "tensorflow"} <= set(json.loads(json.dumps(versions())))


@pytest.fixture
def stub(monkeypatch):
    """Function (units, capability, **seconds): a machine, and how long a step takes on it.

    Returns the list of the precisions that were measured.
    """

    def set_up(units=(), capability=None, **seconds):
        measured = []

        def seconds_of(dtype):
            measured.append(dtype)
            return seconds[dtype]

        monkeypatch.setattr(machine, "vector_units", lambda: list(units))
        monkeypatch.setattr(machine, "has_gpu", lambda: capability is not None)
        monkeypatch.setattr(machine, "_compute_capability", lambda: capability)
        monkeypatch.setattr(machine, "_seconds_of_a_step", seconds_of)
        return measured

    return set_up


@pytest.mark.parametrize(
    ("units", "bfloat16", "best"),
    [(["avx512_bf16", "amx_bf16"], 0.25, "mixed_bfloat16"), (["avx512_bf16"], 1.5, "float32"),
     (["avx512_bf16"], 0.6, "mixed_bfloat16"), (["avx512_bf16"], 0.95, "float32")],
)  # fmt: skip
def test_precision_of_a_processor_is_the_one_that_is_faster_there(units, bfloat16, best, stub):
    stub(units, float32=1.0, bfloat16=bfloat16)
    assert best_precision() == best


def test_processor_without_units_for_bfloat16_is_not_asked(stub):
    measured = stub(["avx2"], float32=1.0)
    assert best_precision() == "float32" and not measured


@pytest.mark.parametrize(
    ("capability", "best"),
    [((7, 5), "mixed_float16"), ((8, 0), "mixed_bfloat16"), ((9, 0), "mixed_bfloat16")],
)
def test_gpus_compute_in_bfloat16_from_ampere_on(capability, best, stub):
    stub(capability=capability, float32=1.0, float16=0.3, bfloat16=0.3)
    assert best_precision() == best


def test_answer_is_remembered_for_this_machine_alone(stub, clean_environment):
    measured = stub(["avx512_bf16"], float32=1.0, bfloat16=2.0)
    assert [best_precision(), best_precision()] == ["float32"] * 2
    assert sorted(measured) == ["bfloat16", "float32"]
    assert [p.name for p in machine.own_cache().iterdir()] == [machine.PRECISION]
    stub(["avx512_bf16", "amx_bf16"], float32=1.0, bfloat16=0.2)
    assert best_precision() == "mixed_bfloat16"


@pytest.mark.parametrize(
    "content", ["", "[]", '{"a": ', None], ids=["empty", "list", "cut", "folder"]
)
def test_broken_memory_costs_a_measurement_and_no_more(content, stub):
    file = machine.own_cache() / machine.PRECISION
    file.parent.mkdir(parents=True)
    file.mkdir() if content is None else file.write_text(content)
    stub(["avx512_bf16"], float32=1.0, bfloat16=2.0)
    assert [best_precision(), best_precision()] == ["float32"] * 2


def test_no_rest_is_left_where_the_answer_cannot_be_kept(stub, clean_environment):
    stub(["avx512_bf16"], float32=1.0, bfloat16=0.5)
    place = machine.own_cache() / machine.PRECISION
    place.mkdir(parents=True)
    assert best_precision() == "mixed_bfloat16"
    assert list(place.parent.iterdir()) == [place]


def test_other_backends_compute_in_float32(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    assert best_precision() == "float32"


def test_measurement_takes_a_step_of_either_precision():
    assert all(0 < machine._seconds_of_a_step(dtype) < 5 for dtype in ("float32", "bfloat16"))

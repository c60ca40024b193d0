"""What this machine computes with, and in which precision it does so fastest."""

import functools
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cifar_utils.dataset.cache import PRECISION, own_cache

# Of processors, weaker first. The names are those of /proc/cpuinfo.
VECTOR_UNITS = ("asimd", "sve", "bf16", "avx2", "avx512f", "avx512_bf16", "amx_bf16")
GAIN = 1.1  # what half precision must gain on a convolution, since other layers gain less


def hardware() -> dict[str, str | int | float | list[str] | None]:
    """Return what this machine computes with.

    Returns
    -------
    dict
        ``processor`` (its model), ``cores`` that this process may use, ``memory_gib``
        (None where the system does not tell), ``vector_units`` (those of ``VECTOR_UNITS``
        that it has; empty where the system does not tell), and ``accelerator``: the first
        CUDA GPU's model, or ``"none"``.

    Examples
    --------
    >>> sorted(hardware())
    ['accelerator', 'cores', 'memory_gib', 'processor', 'vector_units']
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return {
        "processor": _processor(),
        "cores": len(affinity(0)) if affinity else os.cpu_count() or 1,
        "memory_gib": _memory_gib(),
        "vector_units": vector_units(),
        "accelerator": _gpu() or "none",
    }


def usable_hardware() -> dict[str, str | int | float | list[str] | None]:
    """As :func:`hardware`, without a GPU that Keras' backend can't use. Imports Keras."""
    return hardware() | ({} if has_gpu() else {"accelerator": "none"})


def versions(*more: str) -> dict[str, str]:
    """Return the versions of Python, of the packages that figures depend on, and of others named.

    >>> "python" in versions() and "numpy" in versions()
    True
    """
    found = {"python": platform.python_version()}
    for package in ("tensorflow", "jax", "keras", "numpy", "scikit-learn", *more):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def vector_units() -> list[str]:
    """Those of ``VECTOR_UNITS`` that this processor has, weaker first."""
    flags = set(_cpuinfo("flags", "Features").split())
    return [unit for unit in VECTOR_UNITS if unit in flags]


def has_gpu() -> bool:
    """Whether Keras computes on a GPU, on the TensorFlow or the JAX backend."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_logical_devices("GPU"))  # the first call greets on stderr
    if backend == "jax":
        import jax

        return jax.default_backend() == "gpu"
    return False


@functools.cache
def best_precision() -> str:
    """The Keras dtype policy that this machine trains fastest in, by a short measurement.

    It is ``"float32"`` on other backends than TensorFlow and JAX. On these, a convolution is
    taken forwards and backwards in float32 and in the machine's half
    precision: bfloat16 on processors and on CUDA GPUs from Ampere on, float16 on older
    ones. Processors that can compute in bfloat16 may yet be slower in it. It takes a
    fraction of a second; the answer is remembered in the package's cache, for this
    machine and this version of the backend. Taught in notebook 06.

    Returns
    -------
    str
        ``"mixed_bfloat16"``, ``"mixed_float16"`` or ``"float32"``.
    """
    import keras

    half = _half_precision()
    if half is None:
        return "float32"
    backend = keras.backend.backend()
    machine = {k: v for k, v in usable_hardware().items() if k != "memory_gib"}
    about = machine | {"backend": backend, "version": versions().get(backend)}
    key = json.dumps(about, sort_keys=True)
    file, known = own_cache() / PRECISION, {}
    with suppress(OSError, ValueError, TypeError, RecursionError):
        known = dict(json.loads(file.read_text(encoding="utf-8")))
    if known.get(key) not in ("float32", f"mixed_{half}"):
        gain = _seconds_of_a_step("float32") / _seconds_of_a_step(half)
        known[key] = f"mixed_{half}" if gain > GAIN else "float32"
        half_written = file.with_name(f"{file.name}.{os.getpid()}")
        with suppress(OSError):  # a cache that can't be written: measure the next time, too
            file.parent.mkdir(parents=True, exist_ok=True)
            half_written.write_text(json.dumps(known, indent=1), encoding="utf-8")
            half_written.replace(file)
        with suppress(OSError):
            half_written.unlink(missing_ok=True)
    return known[key]


def _half_precision() -> str | None:
    """The half precision that may be fast here; None where there are no units for any."""
    import keras

    if keras.backend.backend() not in ("tensorflow", "jax"):
        return None
    if has_gpu():
        return "bfloat16" if _compute_capability() >= (8, 0) else "float16"
    units = vector_units()
    return None if units and not any("bf16" in unit for unit in units) else "bfloat16"


def _compute_capability() -> tuple[int, ...]:
    """Of the first CUDA GPU; Ampere's is 8.0."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        found = str(getattr(jax.devices()[0], "compute_capability", ""))
        return tuple(map(int, found.split("."))) if re.fullmatch(r"\d+\.\d+", found) else (0, 0)
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")[0]
    return tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))


def _seconds_of_a_step(dtype: str) -> float:
    """The shortest time of a convolution and its gradients, maps and kernel in float32."""
    step = _convolution_step(dtype)
    step()  # builds the graph
    seconds, begin = [], time.perf_counter()
    while len(seconds) < 3 or time.perf_counter() - begin < 0.1:
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _convolution_step(dtype: str) -> Callable[[], object]:
    """A function that computes such a step, and waits until that is done."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    maps = rng.normal(size=(32, 16, 16, 128)).astype("float32")
    kernel = rng.normal(size=(3, 3, 128, 128)).astype("float32")
    cast, relu = keras.ops.cast, keras.ops.relu
    conv = functools.partial(keras.ops.conv, padding="same", data_format="channels_last")

    def loss(maps, kernel):
        outputs = relu(conv(cast(maps, dtype), cast(kernel, dtype)))
        return keras.ops.sum(cast(outputs, "float32") ** 2)

    if keras.backend.backend() == "jax":
        import jax

        gradients, arrays = jax.jit(jax.grad(loss, (0, 1))), jax.device_put((maps, kernel))
        return lambda: jax.block_until_ready(gradients(*arrays))
    import tensorflow as tf

    arrays = [tf.constant(maps), tf.constant(kernel)]

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            value = loss(*arrays)
        return [tf.reduce_sum(a) for a in tape.gradient(value, arrays)]

    return lambda: [float(value) for value in gradients()]


def _processor() -> str:
    if model := _cpuinfo("model name"):
        return model
    if sys.platform == "darwin":
        return output_of("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _cpuinfo(*fields: str) -> str:
    """The value of the first of these fields that Linux tells of the processor, or nothing."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in fields:
                return value.strip()
    return ""


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    return round(pages * size / 2**30, 1)


@functools.cache
def _gpu() -> str:
    return output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")


def output_of(*command: str) -> str:
    """First line that a command prints; nothing if it can't be run, fails or takes too long."""
    try:
        options = {"capture_output": True, "text": True, "errors": "replace", "check": True}
        done = subprocess.run(command, timeout=20, **options)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]

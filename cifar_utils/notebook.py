"""What a notebook's setup cell and its exercises' checks do: ``start()``, ``check_answer()``."""

import contextlib
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from cifar_utils.checks import check_choice, check_seed
from cifar_utils.data import default_source, find_cifar10
from cifar_utils.fast.machine import hardware, has_gpu, usable_hardware, versions


def start(seed: int = 0, *, keras: bool = True) -> None:
    """Prepare a notebook, and print one line that says what it runs on.

    Call it before Keras is imported: it chooses TensorFlow's faster kernels, keeps its
    start-up messages off the page, and sets the seeds of Python, NumPy and Keras. Pictures
    get twice the usual resolution, for screens that can show it.

    Parameters
    ----------
    seed : int
    keras : bool
        Whether to import Keras and its backend, which takes some seconds; a notebook
        without a network need not.

    Raises
    ------
    ValueError
        If the environment variable CIFAR_UTILS_PROFILE or CIFAR_UTILS_SOURCE is not one of its
        values, or the seed none.
    DatasetError
        If the environment variable CIFAR10_DIR names a folder without CIFAR-10.

    Examples
    --------
    >>> start(keras=False)  # doctest: +ELLIPSIS
    full profile | Python 3... core...
    """
    data, seed = _data(), check_seed(seed)
    choose_kernels()
    _sharpen_pictures()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    packages = []
    if keras:
        with quiet_stderr():
            from keras.config import backend
            from keras.utils import set_random_seed

            set_random_seed(seed)
            has_gpu()  # TensorFlow looks for one, and says so
            packages = [backend(), "keras"]
            if backend() == "tensorflow":
                import tensorflow as tf

                tf.get_logger().setLevel("ERROR")  # else it warns of models built one by one
    found = versions()
    names = {"keras": "Keras", "tensorflow": "TensorFlow", "jax": "JAX"}
    packages = [f"{names.get(p, p)} {found[p]}" for p in packages if p in found]
    python = f"Python {found['python']}"
    device = _device(usable_hardware() if keras else hardware())
    print(" | ".join([f"{profile()} profile", ", ".join([python, *packages]), device, data]))


def choose_kernels() -> None:
    """Have TensorFlow take oneDNN's kernels and say little, unless the user chose otherwise.

    By itself, it takes these faster kernels on some recent processors only.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _sharpen_pictures() -> None:
    """In a notebook, twice the resolution at the same size; elsewhere nothing."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")


def _device(machine: dict) -> str:
    """The GPU, if there is one, or the processor with its strongest vector unit."""
    if machine["accelerator"] != "none":
        return machine["accelerator"]
    strongest = machine["vector_units"][-1:]
    cores = machine["cores"]
    return f"{cores} core{'s' * (cores > 1)} ({', '.join([machine['processor'], *strongest])})"


def _data() -> str:
    """Which images a notebook will get, without fetching any."""
    if default_source() == "synthetic":
        return "drawn stand-in for CIFAR-10"
    return "CIFAR-10 at hand" if find_cifar10() else "CIFAR-10, to be downloaded (170 MB)"


def profile() -> str:
    """Return ``"full"`` or ``"smoke"``, from the environment variable CIFAR_UTILS_PROFILE.

    In the smoke profile a notebook is given small values, to see that it works; its figures
    say nothing.

    Raises
    ------
    ValueError
        If the variable is something else.
    """
    value = os.environ.get("CIFAR_UTILS_PROFILE") or "full"
    kind = "profile in the environment variable CIFAR_UTILS_PROFILE"
    return check_choice(kind, value, ("full", "smoke"))


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what native code prints to stderr, and show it only if the block raises.

    TensorFlow's C++ libraries greet on stderr while they are being loaded, before any
    of their own log levels is read. In a notebook, Python's warnings go elsewhere and are
    shown; in a terminal they are kept, too.

    Examples
    --------
    >>> with quiet_stderr():
    ...     exit_status = os.system("echo greetings >&2")
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (AttributeError, OSError, ValueError):  # it is closed: there is nothing to hold back
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def check_answer(
    number: int,
    answer: Callable[..., Any],
    cases: Iterable[tuple[tuple, Any]],
    hint: str,
) -> None:
    """Try the answer to an exercise; print ``solved``, or the first case that fails and a hint.

    An answer that is not begun, and returns None, gets no hint.

    Parameters
    ----------
    number : int
        Of the exercise.
    answer : callable
        The function that the reader wrote.
    cases : iterable of (arguments, right)
        `arguments` is a tuple. `right` is what the answer should return: numbers and arrays are
        compared by shape, and up to a relative difference of 1e-4. Or it is a function of what
        was returned: it says in words what is wrong with it, or None if nothing is.
    hint : str
        What helps with most wrong answers.

    Examples
    --------
    >>> check_answer(1, lambda n: n * n, [((2,), 4), ((3,), 9)], "Multiply n by itself.")
    Exercise 1: solved
    >>> check_answer(1, lambda n: n + n, [((2,), 4), ((3,), 9)], "Multiply n by itself.")
    Exercise 1: not solved yet. With (3), it should be 9, not 6. Multiply n by itself.
    """
    for arguments, right in cases:
        given = f"With ({', '.join(map(_in_short, arguments))}), " if arguments else ""
        try:
            result = answer(*arguments)
            if result is None and right is not None:
                print(f"Exercise {number}: not solved yet. The answer is None so far.")
                return
            if callable(right):
                wrong = right(result)
                problem = wrong and f"{given}{wrong}."
            else:
                problem = None
                if not _alike(result, right):
                    told = f"should be {_in_short(right)}, not {_in_short(result)}"
                    problem = f"{given}it {told}."
        except Exception as error:  # the reader's own, or one that a wrong result leads to
            problem = f"{given}it stops: {type(error).__name__}: {error}."
        if problem:
            problem = problem[0].upper() + problem[1:]
            print(f"Exercise {number}: not solved yet. {problem} {hint}")
            return
    print(f"Exercise {number}: solved")


def _alike(result: Any, right: Any) -> bool:
    """Whether a result is the right one, but for rounding."""
    if result is None or right is None or isinstance(right, str):
        return result is right or (isinstance(right, str) and result == right)
    result, right = np.asarray(result), np.asarray(right)
    if result.dtype.kind not in "biuf":
        return False
    return result.shape == right.shape and np.allclose(result, right, rtol=1e-4, atol=1e-6)


def _in_short(value: Any) -> str:
    """A value as a sentence can hold it: large arrays by their shape."""
    shape = tuple(getattr(value, "shape", ()))
    if not shape:
        return repr(value.item() if isinstance(value, np.generic) else value)
    if None not in shape and np.prod(shape) <= 8:
        return str(np.asarray(value).tolist())
    return f"an array of shape {shape}"

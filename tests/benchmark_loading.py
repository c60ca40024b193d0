"""Time and memory of load_cifar10 against Keras' own reader of the same six files.

    python tests/benchmark_loading.py FOLDER [REPEATS]

FOLDER holds the official ``cifar-10-batches-py`` files. The two readers take turns in
one process, after a first round that is not counted; the ratio is what matters. Keras
gives a transposed view, so the copy to contiguous (n, 32, 32, 3) is added to its time.
Memory is measured in fresh processes, above what the imports took.
"""

import contextlib
import io
import statistics
import subprocess
import sys
import time

import numpy as np

from cifar_utils.data import find_cifar10, load_cifar10, load_cifar10_test
from cifar_utils.storage import FILES

PEAK = """
import contextlib, io, sys, tracemalloc
from cifar_utils.data import load_cifar10, load_cifar10_test
tracemalloc.start()
with contextlib.redirect_stdout(io.StringIO()):
    data = load_cifar10(data_dir=sys.argv[1], val_size=5_000)
arrays = sum(a.nbytes for a in (data.x_train, data.y_train, data.x_val, data.y_val))
print(tracemalloc.get_traced_memory()[1] / arrays)
"""


def read_ours(folder) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        data = load_cifar10(data_dir=folder)
        x_test, _ = load_cifar10_test(data_dir=folder)
    assert data.x_train.flags.c_contiguous and x_test.flags.c_contiguous


def read_keras(folder) -> None:
    from keras.src.datasets.cifar import load_batch

    x_train = np.empty((50_000, 3, 32, 32), "uint8")
    for k, name in enumerate(FILES["train"]):
        x_train[k * 10_000 : (k + 1) * 10_000], _ = load_batch(folder / name)
    x_test, _ = load_batch(folder / "test_batch")
    for images in (x_train, x_test):
        np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def main(folder: str, repeats: int = 9) -> None:
    folder = find_cifar10(folder)
    seconds = {read_ours: [], read_keras: []}
    for i in range(repeats + 1):
        for read, times in seconds.items():
            start = time.perf_counter()
            read(folder)
            if i:
                times.append(time.perf_counter() - start)
    ours, theirs = seconds.values()
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    print(f"ours {statistics.median(ours):.2f} s, Keras' {statistics.median(theirs):.2f} s")
    print(
        f"ours / Keras': median {statistics.median(ratios):.2f}, "
        f"from {ratios[0]:.2f} to {ratios[-1]:.2f} over {repeats} rounds"
    )
    peak = subprocess.run(
        [sys.executable, "-c", PEAK, str(folder)], capture_output=True, text=True, check=True
    )
    print(f"peak memory of load_cifar10 / its arrays: {float(peak.stdout):.2f}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

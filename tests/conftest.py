"""What the tests share: a clean environment, small CIFAR-10 folders, closed figures."""

import hashlib
import os
import pickle
import struct
from pathlib import Path
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")
# Before TensorFlow is imported: in this process and in those that tests start, the same kernels.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from serving import REFUSED, pack

from cifar_utils.dataset import fetch, files

REAL_FOLDER = os.environ.get("CIFAR10_DIR")  # before the fixture below takes it away
ROWS = 100  # images in each file of a small folder, ten of each class
QUICK = fetch.Limits(
    read=0.5, rate=100_000, window=0.2, longest=5, patience=0.2, rounds=3, pause=0.02
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path_factory):
    """No test sees the variables or the caches of the user who runs it."""
    for name in ("CIFAR10_DIR", "CIFAR_UTILS_SOURCE", "CIFAR_UTILS_PROFILE", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", str(home / "cache"))  # on Windows
    return home


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def set_precision():
    """Function (policy): set Keras' global precision, until the test ends."""
    import keras

    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.fixture
def real_folder() -> Path:
    if not REAL_FOLDER:
        pytest.skip("needs CIFAR10_DIR")
    return Path(REAL_FOLDER)


class _Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 did, which made the official files."""

    def _save_string(self, text):
        content = text.encode("latin1") if isinstance(text, str) else bytes(text)
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(text)

    dispatch = pickle._Pickler.dispatch | {str: _save_string, bytes: _save_string}


def _write_official(path: Path, batch: dict) -> None:
    with path.open("wb") as file:
        _Python2Pickler(file, protocol=2).dump(batch)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.", b"numpy.core."))


@pytest.fixture
def write_official():
    """Function (path, batch): pickle one batch as the official files are pickled."""
    return _write_official


@pytest.fixture
def make_folder(tmp_path, monkeypatch):
    """Function (where, seed, rows): six files of so many images in the official layout."""

    def make(where="small", seed=0, rows=ROWS) -> SimpleNamespace:
        monkeypatch.setattr(files, "ROWS", rows)
        folder = tmp_path / where / files.FOLDER
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (6 * rows, 32, 32, 3), dtype=np.uint8)
        labels = np.concatenate(
            [rng.permutation(np.repeat(np.arange(10), rows // 10)) for _ in range(6)]
        )
        planes = images.transpose(0, 3, 1, 2).reshape(-1, 3 * 32 * 32)
        for k, name in enumerate(files.BATCHES):
            part = slice(k * rows, (k + 1) * rows)
            batch = {"batch_label": name, "labels": labels[part].tolist(), "data": planes[part]}
            _write_official(folder / name, batch)
        return SimpleNamespace(
            folder=folder,
            x=images[: 5 * rows],
            y=labels[: 5 * rows],
            x_test=images[5 * rows :],
            y_test=labels[5 * rows :],
        )

    return make


@pytest.fixture
def small(make_folder) -> SimpleNamespace:
    """A folder with 500 training and 100 test images, and what they should be read as."""
    return make_folder()


@pytest.fixture
def publish(monkeypatch):
    """Function (made, content): what the package takes for the official release from now on."""

    def known(made: SimpleNamespace, content: bytes) -> bytes:
        digest = hashlib.sha256(content).hexdigest()
        remote = files.ARCHIVE._replace(sha256=digest, size=len(content), mirrors=(REFUSED,))
        splits = {"train": (made.x, made.y), "test": (made.x_test, made.y_test)}
        prints = {split: files.fingerprint(*arrays) for split, arrays in splits.items()}
        monkeypatch.setattr(files, "ARCHIVE", remote)
        monkeypatch.setattr(files, "FINGERPRINTS", prints)
        monkeypatch.setattr(fetch, "LIMITS", QUICK)
        return content

    return known


@pytest.fixture
def tiny(make_folder) -> SimpleNamespace:
    """A folder with 50 training and 10 test images, for what would take long with more."""
    return make_folder("tiny", rows=10)


@pytest.fixture
def archive(tiny, publish) -> bytes:
    """The tiny folder packed, and known to the package as the official archive."""
    return publish(tiny, pack(tiny.folder))

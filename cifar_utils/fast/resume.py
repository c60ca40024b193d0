"""What a training keeps after each epoch, so that it can go on where it was interrupted."""

import contextlib
import json
import os
import time
import zipfile
import zlib
from pathlib import Path
from typing import NoReturn

import keras
import numpy as np
from keras import ops


class TrainingState(keras.callbacks.Callback):
    """Times the epochs and, given a file, keeps in it what is needed to go on.

    Keras' ``BackupAndRestore`` writes weights and epoch to two files, one after the
    other; killed between them, it would repeat an epoch. Here it is one file, renamed
    into place.

    Parameters
    ----------
    path : path, optional
        The file; without, nothing is kept.
    identity : dict
        What decides how the training ends, as JSON: a state of another is refused.

    Attributes
    ----------
    history : dict of str to list of float
        As in ``training.Run``.

    Raises
    ------
    ValueError
        If the file can't be written, before an epoch is lost to that.
    """

    def __init__(self, path: Path | None, identity: dict):
        super().__init__()
        if path is not None:
            path = path.expanduser()
            folder = path.parent
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
            if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
                raise ValueError(
                    "Expected resume as a file in a folder that can be written to. "
                    f"Received: {path}."
                )
        self.path, self.identity = path, identity
        self.history: dict[str, list[float]] = {"seconds": []}
        self.ended: float | None = None  # when the epoch before had been seen to
        self.kept: dict[str, np.ndarray] = {}
        self._load()

    @property
    def epochs_done(self) -> int:
        return len(self.history["seconds"])

    def _load(self) -> None:
        """Read the file, if there is one; ValueError if it is another training's."""
        if self.path is None or not self.path.exists():
            return
        try:
            with np.load(self.path) as kept:
                found = json.loads(str(kept["about"]))
                self.kept = {name: kept[name] for name in kept.files if name != "about"}
            theirs, history = found["identity"], found["history"]
        except (zipfile.BadZipFile, zlib.error, EOFError, LookupError, ValueError) as error:
            self._refuse(
                "a training", f"a file that is damaged or another's ({type(error).__name__})"
            )
        other = [k for k in self.identity | theirs if self.identity.get(k) != theirs.get(k)]
        if other:
            wanted, received = ({k: a.get(k) for k in other} for a in (self.identity, theirs))
            self._refuse(f"this training, {wanted}", f"that of another, {received}")
        self.history = history

    def restore(self, learner: keras.Model) -> None:
        """Give a network, once, what the file holds; ValueError if it is another version's."""
        kept, self.kept = self.kept, {}
        if not kept:
            return
        variables = _variables(learner)
        shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
        if any(name not in kept or kept[name].shape != shapes[name] for name in shapes):
            self._refuse("this network", "that of another version of it")
        for name, variable in variables.items():
            variable.assign(kept[name])

    def _refuse(self, wanted: str, received: str) -> NoReturn:
        raise ValueError(
            f"Expected {self.path} to hold the state of {wanted}. Received: {received}. "
            "Remove the file to start anew."
        ) from None

    def on_epoch_begin(self, epoch, logs=None):
        # What happens between two epochs is part of the second one.
        self.seconds, self.start = None, self.ended or time.perf_counter()

    def on_test_begin(self, logs=None):
        self.seconds = time.perf_counter() - self.start

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.seconds or time.perf_counter() - self.start
        for name, value in {**(logs or {}), "seconds": seconds}.items():
            self.history.setdefault(name, []).append(float(value))
        if self.path is not None:
            self._keep()
        self.ended = time.perf_counter()

    def _keep(self) -> None:
        arrays = {name: _storable(v) for name, v in _variables(self.model).items()}
        about = json.dumps({"identity": self.identity, "history": self.history})
        half_written = self.path.with_name(f"{self.path.name}.part.npz")
        np.savez(half_written, about=about, **arrays)
        half_written.replace(self.path)


def _variables(learner: keras.Model) -> dict:
    """All that changes: of the layers, by number, and of the optimiser, by what it is for."""
    # Those of the layers include the states of all random number generators.
    found = {f"layers-{i}": variable for i, variable in enumerate(learner.variables)}
    return found | {v.path.replace("/", "."): v for v in learner.optimizer.variables}


def _storable(variable) -> np.ndarray:
    """A variable as NumPy stores it: it has no bfloat16, all of whose values float32 has."""
    array = np.asarray(ops.convert_to_numpy(variable))
    return array if array.dtype.kind in "biuf" else array.astype("float32")

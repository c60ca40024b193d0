"""What networks say of training images that they never saw, to find wrong labels by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold

from cifar_utils.checks import check_count, expected
from cifar_utils.data import NUM_CLASSES, ImageData, fingerprint
from cifar_utils.dataset.files import FINGERPRINTS
from cifar_utils.evaluation import predict_probabilities
from cifar_utils.experiments.ledger import checksum
from cifar_utils.fast.machine import best_precision
from cifar_utils.pretrained import OUT_OF_FOLD
from cifar_utils.recipes import RECIPES
from cifar_utils.training import train


def out_of_fold(
    name: str,
    data: ImageData,
    folds: int = 5,
    *,
    state: Path,
    file: Path | None = None,
    precision: str | None = None,
    verbose: int = 2,
) -> np.ndarray:
    """Probabilities for each training image by a network that was trained without it.

    Images are dealt into folds, the same share of each class; for each fold a network is trained
    on the others. Killed at any moment, it goes on where it was.

    Parameters
    ----------
    name : str
        A recipe of ``RECIPES``.
    data : ImageData
        Without validation images, or they take no part.
    folds : int
        Two at least.
    state : Path
        Folder for the state of the unfinished training, and the probabilities of each fold.
    file : Path, optional
        Where to write the probabilities, as whole numbers of 255ths, and what they are of.
        Without, the file that comes with the package, which is of the official images alone.
    precision, verbose
        As for ``training.train``.

    Returns
    -------
    ndarray of float64, shape (n, 10)
        In the order of ``data.x_train``. See ``pretrained.load_out_of_fold``.

    Raises
    ------
    ValueError
        If there is no such recipe, a class has fewer images than there are folds, the images are
        others and no file is named, or as ``training.train``.
    """
    recipe, folds = RECIPES[name], check_count("folds", folds, lowest=2)
    precision = precision or best_precision()
    digest = fingerprint(data.x_train, data.y_train)
    if file is None and digest != FINGERPRINTS["train"]:
        wanted = "a file's name for others than all official training images"
        raise expected(wanted, f"none, with {len(data.x_train):,} images of {data.name}")
    if (fewest := np.bincount(data.y_train).min()) < folds:
        raise expected(f"{folds} images of each class at least", fewest)
    file = Path(file or OUT_OF_FOLD)
    about = {"settings": recipe.settings(), "data": digest, "folds": folds, "precision": precision}
    stem = f"out-of-fold-{name}-{checksum(about)[:8]}"
    probabilities = np.empty((len(data.y_train), NUM_CLASSES))
    dealt = StratifiedKFold(folds, shuffle=True, random_state=0)
    for k, (others, held_out) in enumerate(dealt.split(data.y_train, data.y_train)):
        done = Path(state) / f"{stem}-fold{k}.npy"
        if not done.exists():
            print(f"{name}, fold {k + 1} of {folds}: {len(others):,} images.", flush=True)
            seen = {"x_train": data.x_train[others], "y_train": data.y_train[others]}
            part = replace(data, **seen, x_val=data.x_val[:0], y_val=data.y_val[:0])
            unfinished = done.with_suffix(".npz")
            run = train(
                recipe, part, seed=k, precision=precision, resume=unfinished, verbose=verbose
            )
            found = predict_probabilities(run.model, data.x_train[held_out])
            half_written = done.with_suffix(".part.npy")
            np.save(half_written, found)
            half_written.replace(done)
            unfinished.unlink()
        probabilities[held_out] = np.load(done)
    accuracy = float(np.mean(probabilities.argmax(axis=1) == data.y_train))
    half_written = file.with_suffix(".part.npz")
    np.savez_compressed(
        half_written,
        probabilities=np.rint(255 * probabilities).astype(np.uint8),
        recipe=name,
        folds=folds,
        fingerprint=digest,
        accuracy=accuracy,
    )
    half_written.replace(file)
    print(f"{accuracy:.2%} right of {len(data.y_train):,} images that were held out: {file.name}")
    return probabilities

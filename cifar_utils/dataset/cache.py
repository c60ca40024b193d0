"""Where CIFAR-10 is on this machine, and how it gets there.

The package's own cache holds the official files and their inventory. Only one process at
a time changes the cache; whatever moment it is killed at, the next one finds either the
old state or the new.
"""

import itertools
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from cifar_utils.dataset import storage
from cifar_utils.dataset.inventory import LIST, changed_files, file_states, is_sound, read_list, write_list
from cifar_utils.dataset.storage import (
    BATCHES,
    FILES,
    FOLDER,
    DatasetError,
    Remote,
    batches_folder,
    missing,
    sha256_of,
)

SCRATCH = ".extracting-"
SLOW_LOCK = 3  # seconds after which a waiting process says so


def find_cifar10(data_dir: str | os.PathLike | None = None) -> Path | None:
    """Return the folder that holds the CIFAR-10 files on this machine, or None.

    Looks where :func:`load_cifar10` looks, but never downloads. A folder that was
    named, by ``data_dir`` or ``CIFAR10_DIR``, is the only one looked at.

    Raises
    ------
    DatasetError
        If the named folder has no CIFAR-10 files, or not all of them.
    """
    if data_dir is not None:
        return batches_folder(Path(data_dir), "data_dir")
    if os.environ.get("CIFAR10_DIR"):
        return batches_folder(Path(os.environ["CIFAR10_DIR"]), "CIFAR10_DIR")
    if is_sound(own_cache() / FOLDER):
        return own_cache() / FOLDER
    return next((folder for folder in _keras_folders() if not missing(folder)), None)


def _keras_folders() -> list[Path]:
    home = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"), "datasets")  # noqa: PTH111
    return [home / f"{FOLDER}-target" / FOLDER, home / FOLDER]


def own_cache() -> Path:
    """The folder of this package's own cache, whether it is there or not."""
    from platformdirs import user_cache_path

    return user_cache_path("cifar10-keras-notebooks")


def fetch_cifar10(sources: Sequence[str] | None = None) -> Path:
    """Fetch the official archive into the cache, unpack and check it, unless that is done.

    Parameters
    ----------
    sources : sequence of str, optional
        URLs of the archive, instead of the known ones. Its SHA-256 decides all the same.

    Returns
    -------
    Path
        The folder with the files.

    Raises
    ------
    DatasetError
        If that is not possible; says what was tried, and three ways on.
    """
    cache = own_cache()
    with _changing(cache, storage.ARCHIVE):
        if not is_sound(cache / FOLDER):
            archive = cache / _fetched(storage.ARCHIVE)
            _sweep(cache)
            _fetch(storage.ARCHIVE, archive, sources)
            _install(archive, cache)
            archive.unlink()
    return cache / FOLDER


def read_cifar10(
    folder: Path, split: str, sources: Sequence[str] | None = None, *, named: bool = False
) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Images, labels, name and fingerprint of one split.

    Files of our own that are as they were when they were unpacked are not hashed again.
    If Keras' cache turns out to be damaged, the files are fetched into our own, unless it
    was named by the user, who then wants this folder and no other.
    """
    kept = read_list(folder) if folder == own_cache() / FOLDER else None
    if kept is not None and file_states(folder) == kept["states"]:
        with suppress(OSError, ValueError):  # gone or cut just now: to be named below
            return storage.read_indexed(folder, split, kept["splits"][split])
    try:
        return storage.read_split(folder, split)
    except DatasetError as error:
        if named or folder not in _keras_folders() or os.environ.get("CIFAR10_DIR"):
            raise
        print(f"Note: Keras' cache is damaged, so CIFAR-10 is fetched anew. {error}")
        return read_cifar10(fetch_cifar10(sources), split)


def verify(folder: Path) -> list[str]:
    """Names of the files in our own folder that are not what they were when unpacked.

    If there are any, the next load hashes all files too, and fetches them anew.
    """
    kept = read_list(folder)
    if kept is None:
        if (folder / LIST).exists():
            return [LIST]
        raise DatasetError(f"Expected {folder} to have been filled by this package, with {LIST}.")
    damaged = list(changed_files(folder, kept))
    if damaged:
        with suppress(OSError):
            write_list(folder, kept | {"states": {}})
    return damaged


def clear() -> list[Path]:
    """Remove from the cache what this package has put there, and nothing else."""
    cache = own_cache()
    if not os.path.isdir(cache):  # noqa: PTH112
        return []
    with _changing(cache):
        _sweep(cache)
        shares = storage.CIFAR10H.name
        ours = [*cache.glob(f"{_fetched(storage.ARCHIVE)}*"), *cache.glob(f"{shares}.part*")]
        if sha256_of(cache / shares) == storage.CIFAR10H.sha256:
            ours.append(cache / shares)
        if (cache / FOLDER / LIST).exists():
            ours += [cache / FOLDER / name for name in BATCHES]
            ours += (cache / FOLDER).glob(f"{LIST}*")
        removed = [path for path in ours if path.exists()]
        for path in removed:
            path.unlink()
        with suppress(OSError):  # something else is in it
            (cache / FOLDER).rmdir()
    return removed


def cifar10h_file(
    data_dir: str | os.PathLike | None = None, sources: Sequence[str] | None = None
) -> Path:
    """The file of CIFAR-10H: in a named folder, in the cache, or fetched into it."""
    wanted = storage.CIFAR10H
    others = {}
    for named in filter(None, (data_dir, os.environ.get("CIFAR10_DIR"))):
        folder = Path(named).expanduser()
        for path in (folder / wanted.name, folder.parent / wanted.name):
            found = sha256_of(path)
            if found == wanted.sha256:
                return path
            others[str(path)] = "not there" if found is None else "a file with another SHA-256"
    path = own_cache() / wanted.name
    if sha256_of(path) != wanted.sha256:
        with _changing(own_cache(), wanted):
            if sha256_of(path) != wanted.sha256:  # nobody has fetched it meanwhile
                if path.exists():
                    _set_aside(path)
                _fetch(wanted, path, sources, others)
    return path


# ---------------------------------------------------------------- changing the cache


def _fetched(remote: Remote) -> str:
    """What we call a downloaded archive, so that it is not taken for a user's own."""
    return f"fetched-{remote.name}"


@contextmanager
def _changing(cache: Path, remote: Remote | None = None):
    """Be the only process that changes the cache. The lock ends with the process."""
    from filelock import FileLock, Timeout

    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache / ".lock")
        try:
            lock.acquire(timeout=SLOW_LOCK)
        except Timeout:
            print(f"Waiting for another process that is filling {cache}.")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
    except OSError as error:
        problem = f"{type(error).__name__}: {error}"
        if remote is None:
            raise DatasetError(
                f"Expected to be able to change {cache}. Received: {problem}"
            ) from None
        raise _unavailable(remote, {}, problem) from None


def _fetch(
    remote: Remote, path: Path, sources: Sequence[str] | None, others: dict[str, str] | None = None
) -> None:
    from cifar_utils.dataset.fetch import FetchError, fetch

    try:
        fetch(remote, path, sources)
    except FetchError as error:
        raise _unavailable(remote, (others or {}) | error.reasons) from None


def _install(archive: Path, cache: Path) -> None:
    """Unpack into a folder aside, check and list it, then move it into place."""
    aside = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=cache)) / FOLDER
    try:
        aside.mkdir()
        with tarfile.open(archive) as tar:
            for member in tar:
                # Plain files of these names, and nothing else that an archive can hold.
                name = member.name.removeprefix(f"{FOLDER}/")
                if member.isreg() and name in BATCHES:
                    with tar.extractfile(member) as packed, (aside / name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
        if lacking := missing(aside):
            raise DatasetError(
                f"Expected an archive with {', '.join(BATCHES)} in {FOLDER}. "
                f"Received: {archive.name} without {', '.join(lacking)}."
            )
        files = {name: sha256_of(aside / name) for name in BATCHES}
        splits = {split: storage.index_split(aside, split) for split in FILES}
        write_list(aside, {"files": files, "splits": splits, "states": file_states(aside)})
        if (cache / FOLDER).exists() and not (cache / FOLDER / LIST).exists():
            _set_aside(cache / FOLDER)  # it was not us who put it there
        if not (cache / FOLDER).exists():
            aside.rename(cache / FOLDER)
            return
        for name in (*BATCHES, LIST):  # the list comes last: until then, all are hashed
            (aside / name).replace(cache / FOLDER / name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"Expected {archive} to be a tar archive. Received: {type(error).__name__}: {error}"
        ) from None
    finally:
        _sweep(cache)


def _set_aside(path: Path) -> None:
    """Rename what is not ours but in the way."""
    names = (path.with_name(f"{path.name}.set-aside{n or ''}") for n in itertools.count())
    path.rename(next(name for name in names if not name.exists()))


def _sweep(cache: Path) -> None:
    """Remove what killed processes left behind. Only the lock's holder may."""
    for aside in cache.glob(f"{SCRATCH}*"):
        shutil.rmtree(aside, ignore_errors=True)


def _unavailable(remote: Remote, reasons: dict[str, str], problem: str = "") -> DatasetError:
    tried = "\n".join(f"  {source}\n    {why}" for source, why in reasons.items())
    whole = remote.name == storage.ARCHIVE.name
    stand_in = (
        '; or take the drawn stand-in, source="synthetic", whose accuracies say nothing about '
        "CIFAR-10."
    )
    return DatasetError(
        f"{remote.name} is not on this machine and could not be fetched.\n"
        f"The cache is {own_cache()}{f', where this went wrong: {problem}' if problem else ''}\n"
        + (f"Tried:\n{tried}\n" if tried else "")
        + f"Ways on: put {f'the {FOLDER} files' if whole else 'it'} in a folder and name that with "
        "data_dir=… or CIFAR10_DIR; name a mirror with sources=[…]" + (stand_in if whole else ".")
    )

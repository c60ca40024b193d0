"""Where CIFAR-10 is on this machine, and how it gets there.

The package's own cache has a file a split: its pixels, uint8, then its labels, int64
little-endian, so that the SHA-256 of the file is the fingerprint of the split. Every load
compares it: no changed pixel goes unnoticed. Only one process at a time changes the cache;
whatever moment it is killed at, the next one goes on from there.
"""

import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from cifar_utils.dataset import files
from cifar_utils.dataset.files import FOLDER, DatasetError, sha256_of

PRECISION = "precision.json"  # what fast.machine remembers of this machine
SLOW_LOCK = 3  # seconds after which a waiting process says so
Named = str | os.PathLike | None  # a folder that the user may have named


def own_cache() -> Path:
    """The folder of this package's own cache, whether it is there or not."""
    return user_cache_path("cifar10-keras-notebooks")


def find_cifar10(data_dir: Named = None) -> Path | None:
    """Return the folder that holds CIFAR-10 on this machine, or None.

    Looks where :func:`~cifar_utils.data.load_cifar10` looks, but never downloads. A folder that
    was named, by ``data_dir`` or ``CIFAR10_DIR``, is the only one looked at; the folder that this
    returns may be named so, too, even if it is the package's own cache.

    Raises
    ------
    DatasetError
        If the named folder has no CIFAR-10 files, or not all of them.
    """
    if named := _named_folder(data_dir):
        return named
    return next(_keras_folders(), None) if damaged() else own_cache()


def read_cifar10(split: str, data_dir: Named, mirrors: Sequence[str] | None) -> files.Split:
    """Read a split from the named folder, the cache or Keras' cache; failing that, fetch it."""
    if named := _named_folder(data_dir):
        return files.read_split(split, named)
    if cached := _read_cached(split):
        return cached
    for folder in _keras_folders():
        try:
            return files.read_split(split, folder)
        except DatasetError as error:
            print(f"Note: Keras' cache is damaged, so CIFAR-10 is fetched anew. {error}")
    from cifar_utils.dataset.fetch import fetch

    with _changing():
        if cached := _read_cached(split):  # another process has been quicker
            return cached
        if _cached(split).exists():
            print(f"Note: {_cached(split)} is not as it was, so CIFAR-10 is fetched anew.")
        archive = _fetched(files.ARCHIVE)
        fetch(files.ARCHIVE, archive, mirrors, tried={})
        splits = _decode(archive)
        archive.unlink()
        return splits[split]


def damaged() -> list[Path]:
    """Those of the cache's two files that are not there, or not as they were written."""
    known = files.FINGERPRINTS
    return [_cached(split) for split in known if sha256_of(_cached(split)) != known[split]]


def clear() -> list[Path]:
    """Remove from the cache what this package has put there, and nothing else."""
    if not os.path.isdir(own_cache()):  # noqa: PTH112
        return []
    whole = *map(_cached, files.FILES), _fetched(files.ARCHIVE), _fetched(files.CIFAR10H)
    whole += (own_cache() / PRECISION,)
    with _changing():
        removed = [p for path in whole for p in (path, files.part_of(path)) if p.exists()]
        for path in removed:
            path.unlink()
    return removed


def cifar10h_file(data_dir: Named, mirrors: Sequence[str] | None) -> Path:
    """The file of CIFAR-10H: in a named folder, in the cache, or fetched into it."""
    wanted, tried = files.CIFAR10H, {}
    for named in filter(None, (data_dir, os.environ.get("CIFAR10_DIR"))):
        for folder in (Path(named).expanduser(), Path(named).expanduser().parent):
            if (found := sha256_of(folder / wanted.name)) == wanted.sha256:
                return folder / wanted.name
            tried[f"{folder / wanted.name}"] = "another SHA-256" if found else "not there"
    if sha256_of(_fetched(wanted)) != wanted.sha256:
        from cifar_utils.dataset.fetch import fetch

        with _changing():
            fetch(wanted, _fetched(wanted), mirrors, tried)
    return _fetched(wanted)


def _named_folder(data_dir: Named) -> Path | None:
    """The folder with the batches that the user named, if one was; not our own cache."""
    given = data_dir if data_dir is not None else os.environ.get("CIFAR10_DIR") or None
    if given is None:
        return None
    given = Path(given).expanduser()
    if os.path.realpath(given) == os.path.realpath(own_cache()):
        return None
    folder = min((given, given / FOLDER), key=lambda candidate: len(files.missing(candidate)))
    if lacking := files.missing(folder):
        is_folder = os.path.isdir(given)  # noqa: PTH112
        found = f"which lacks {', '.join(lacking)}" if is_folder else "which is no folder"
        named_by = "CIFAR10_DIR" if data_dir is None else "data_dir"
        raise DatasetError(
            f"Expected the official {FOLDER} files in the folder given by {named_by}. "
            f"Received: {given}, {found}."
        )
    return folder


def _keras_folders() -> Iterator[Path]:
    home = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"), "datasets")  # noqa: PTH111
    folders = (home / f"{FOLDER}-target" / FOLDER, home / FOLDER)
    return (folder for folder in folders if not files.missing(folder))


def _cached(split: str) -> Path:
    return own_cache() / f"cifar10-{split}.bin"


def _fetched(remote: files.Remote) -> Path:
    """Where a downloaded file goes: not by its own name, which a user's own file may have."""
    return own_cache() / f"fetched-{remote.name}"


def _read_cached(split: str) -> files.Split | None:
    """A split from the cache; None if it is not there, or not as it was written."""
    images = np.empty((len(files.FILES[split]) * files.ROWS, *files.IMAGE_SHAPE), np.uint8)
    labels = np.empty(len(images), "<i8")
    with suppress(OSError), _cached(split).open("rb") as file:
        size = file.readinto(images) + file.readinto(labels) + len(file.read(1))
        found = files.fingerprint(images, labels)
        if size == images.nbytes + labels.nbytes and found == files.FINGERPRINTS[split]:
            return images, labels.astype(np.int64, copy=False), files.OFFICIAL, found
    return None


@contextmanager
def _changing() -> Iterator[None]:
    """Be the only process that changes the cache. The lock ends with the process."""
    from filelock import FileLock, Timeout

    try:
        own_cache().mkdir(parents=True, exist_ok=True)
        lock = FileLock(own_cache() / ".lock")
        try:
            held = lock.acquire(timeout=SLOW_LOCK)
        except Timeout:
            print(f"Waiting for another process that is filling {own_cache()}.")
            held = lock.acquire()
        with held:
            yield
    except OSError as error:
        raise DatasetError(
            f"Expected to be able to change the cache, {own_cache()}. "
            f"Received: {type(error).__name__}: {error}.\n{files.WAYS_ON}"
        ) from None


def _decode(archive: Path) -> dict[str, files.Split]:
    """Read both splits from the official archive, and write them into the cache's files."""
    with tarfile.open(archive) as tar:
        contents = {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}
    splits = {}
    for split in files.FILES:
        splits[split] = images, labels, name, found = files.read_split(
            split, archive / FOLDER, lambda name: contents[f"{FOLDER}/{name}"]
        )
        if name != files.OFFICIAL:
            raise DatasetError(f"Expected the official images in {archive}. Received: {found}.")
        half_written = files.part_of(_cached(split))
        try:
            with half_written.open("wb") as file:
                file.write(images)
                file.write(labels.astype("<i8"))
            half_written.replace(_cached(split))
        finally:
            half_written.unlink(missing_ok=True)
    return splits

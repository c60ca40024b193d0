"""Helpers for the CIFAR-10 tutorial notebooks: data, models, evaluation, plots.

Importing this package, or its ``data``, ``evaluation``, ``plotting`` and ``ledger``
modules, does not import TensorFlow or Keras; ``cifar_utils.models`` does.
"""

import contextlib
import difflib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator

__version__ = "0.1.0"


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what native code prints to stderr, and show it only if the block raises.

    TensorFlow's C++ libraries greet on stderr while they are being loaded, before any
    of their own log levels is read. In a notebook, Python's warnings go elsewhere and are
    shown; in a terminal they are kept, too.

    Examples
    --------
    >>> with quiet_stderr():
    ...     exit_status = os.system("echo greetings >&2")
    """
    sys.stderr.flush()
    saved = os.dup(2)
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


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """The error to raise for a name that is not among the known ones; it names the near ones.

    >>> print(unknown_name("model", "resnet2", ["resnet20", "plain20"]))
    Expected a model of ['resnet20', 'plain20']. Received: 'resnet2'. Did you mean 'resnet20'?
    """
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.4)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return ValueError(f"Expected a {kind} of {known}. Received: {name!r}.{hint}")

"""What a notebook's setup cell does, in one call."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


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

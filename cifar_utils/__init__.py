"""Helpers for the CIFAR-10 tutorial notebooks: data, models, training, evaluation, plots.

Importing this package, or its ``data``, ``evaluation``, ``explain`` and ``plotting`` modules, does
not import TensorFlow or Keras; ``cifar_utils.models`` does.
"""

__version__ = "0.2.0"

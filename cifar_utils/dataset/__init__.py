"""The files of the data set: what they hold, where they lie, how they get there, a stand-in.

Most users want :mod:`cifar_utils.data`, which stands on these modules.
"""

"""A network for smaller images: progressive resizing shows it these first."""

import keras

from cifar_utils.checks import check_pixels_left, expected
from cifar_utils.dataset.files import IMAGE_SHAPE

WHOLE = IMAGE_SHAPE[0]  # pixels a side of CIFAR-10's images


def at_side(model: keras.Model, side: int, *, share: bool = True) -> keras.Model:
    """A network as it is, for smaller images. Taught in notebook 05.

    A ``Flatten`` layer is given as many values as before, by repeating pixels of its map.

    Parameters
    ----------
    model : keras.Model
        Functional or sequential, with one input of shape (n, height, width, channels).
    side : int
        What becomes of 32 pixels; of other images, the sides shrink in the same proportion.
    share : bool
        Whether the weights are those of the model, or others of the same shapes.

    Returns
    -------
    keras.Model
        The model itself, if its images keep their size and the weights are shared.

    Raises
    ------
    ValueError
        If such images are too small for the network.

    References
    ----------
    J. Howard made it known in 2018, in fast.ai's entry for the DAWNBench competition.
    """
    if side == WHOLE and share:
        return model
    (given,) = model.inputs
    *_, height, width, channels = given.shape
    rows, columns = (max(1, size * side // WHOLE) for size in (height, width))

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        if side != WHOLE and isinstance(layer, keras.layers.Flatten):
            size = layer.input.shape[1:3]
            enlarge = keras.layers.Resizing(*size, "nearest", data_format="channels_last")
            return keras.Sequential([enlarge, layer])
        return layer if share else type(layer).from_config(layer.get_config())

    try:
        inputs = keras.Input((rows, columns, channels), dtype=given.dtype)
        smaller = keras.models.clone_model(model, inputs, clone_function=copied)
        check_pixels_left(smaller)
    except ValueError as error:
        wanted = f"images large enough for {model.name}"
        raise expected(wanted, f"{rows} x {columns} pixels") from error
    return smaller

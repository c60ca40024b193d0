"""A network for smaller images: progressive resizing shows it these first."""

import keras


def at_side(model: keras.Model, side: int, *, share: bool = True) -> keras.Model:
    """A network as it is, for square images of another side.

    A ``Flatten`` layer is given as many values as before, by repeating pixels of its map.

    Parameters
    ----------
    model : keras.Model
        Functional, with one input of shape (n, height, width, channels).
    side : int
        Pixels.
    share : bool
        Whether the weights are those of the model, or others of the same shapes.

    Returns
    -------
    keras.Model
        The model itself, if its images are of this side.

    Raises
    ------
    ValueError
        If images of this side are too small for the network.

    References
    ----------
    J. Howard made it known in 2018, in fast.ai's entry for the DAWNBench competition.
    """
    *_, height, width, channels = model.input.shape
    if (height, width) == (side, side) and share:
        return model

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        if (height, width) != (side, side) and isinstance(layer, keras.layers.Flatten):
            size = layer.input.shape[1:3]
            return keras.Sequential([keras.layers.Resizing(*size, "nearest"), layer])
        return layer if share else type(layer).from_config(layer.get_config())

    try:
        inputs = keras.Input((side, side, channels))
        return keras.models.clone_model(model, inputs, clone_function=copied)
    except ValueError as error:
        raise ValueError(
            f"Expected images large enough for {model.name}. Received: {side} x {side} pixels."
        ) from error

# %% tags=["answer-1"]
def conv_parameters(kernel, channels, filters):
    return filters * (kernel * kernel * channels + 1)


# %% [markdown]
# Every filter has a weight for each number in its window and one bias. The side of the
# map does not occur.


# %% tags=["answer-2"]
def warm_cosine(peak, warm_steps, steps):
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=steps - warm_steps,
        warmup_target=peak,
        warmup_steps=warm_steps,
    )


# %% [markdown]
# The trap: `decay_steps` counts the steps *after* the warm-up.


# %% tags=["answer-3"]
def build_small_cnn():
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for width, stride in ((24, 1), (48, 2), (96, 1)):
        x = layers.Conv2D(width, 3, stride, padding="same", activation="relu")(x)
        x = layers.BatchNormalization(momentum=BN_MOMENTUM)(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


# %%
work = count_multiplications(small) / 1e6
print(f"{small.count_params():,} parameters, {work:.1f} million multiplications")

# %%
accuracies = []
for seed in CHOICE_SEEDS:
    keras.utils.set_random_seed(seed)
    small = build_small_cnn()
    rate = cosine(DEFAULT_RATE, CHOICE_EPOCHS, CHOICE_IMAGES, SMALL_BATCH)
    compile_with(small, keras.optimizers.Adam(rate))
    few = few_batches(CHOICE_IMAGES)
    small.fit(few, epochs=CHOICE_EPOCHS, shuffle=False, verbose=0)
    accuracies.append(small.evaluate(validation, verbose=0)[1])
print("validation accuracies:", [f"{a:.1%}" for a in accuracies])

# %% [markdown]
# 40.2 to 41.9 % by three seeds: among the rows of section 6, whose means are 40.4 to 41.6 %, with a
# fifth of the parameters and a twentieth of the multiplications. With 2,560 images and 3 epochs,
# size is not what is missing.

# %% tags=["answer-1"]
def most_answered(right, confidence, wanted):
    order = np.argsort(-confidence)
    answered = np.arange(1, len(right) + 1)
    accuracy = np.cumsum(right[order]) / answered
    return max(answered[accuracy >= wanted], default=0) / len(right)


# %% [markdown]
# What does that mean for the two networks? Here is the share that each may answer, for several wishes.

# %%
for name in (A, B):
    right = test[name].argmax(axis=1) == y_test
    for wanted in (0.95, 0.99, 0.995):
        share = most_answered(right, test[name].max(axis=1), wanted)
        print(f"{name}: right in {wanted:.1%} of its answers, it answers {share:.0%}")

# %% [markdown]
# One caution: we chose the share on the same images that we report it for. For a real hospital, choose the confidence below
# which it refuses on validation images, and check it on others.


# %% tags=["answer-2"]
def thresholds_by_class(probabilities, labels, promise):
    classes = range(probabilities.shape[1])
    given = [probabilities[labels == c, c] for c in classes]
    return np.array([np.quantile(values, 1 - promise) for values in given])


# %% alt="Dots by class of how often the true class is in the set: uneven with one threshold, near the promise with ten."
own = val[A][np.arange(len(data.y_val)), data.y_val]
ways = {
    "one threshold": np.quantile(own, 1 - PROMISE),
    "ten thresholds": thresholds_by_class(val[A], data.y_val, PROMISE),
}
fig, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
for i, (name, thresholds) in enumerate(ways.items()):
    sets = test[A] >= thresholds
    held = [100 * sets[y_test == c, c].mean() for c in range(10)]
    ax.plot(np.arange(10), held, "os"[i], color=(GREEN, BLUE)[i], ms=9)
    print(f"{name}: {sets.sum(axis=1).mean():.2f} classes in a set on average")
    ax.text(0.01 + 0.2 * i, 1.02, name, color=(GREEN, BLUE)[i], transform=ax.transAxes)
ax.axhline(100 * PROMISE, color="0.4", lw=1)
ax.set_xticks(range(10), CLASS_NAMES)
ax.set(ylim=(85, 100), ylabel="true class in the set (%)")
ax.tick_params(axis="x", rotation=30)
label_source(ax, data.name)

# %% [markdown]
# With one threshold, vehicles pay for cats: their sets hold the true class more often than promised, and those of cats less often. With ten, each
# class gets what was promised, up to the luck of a few hundred validation images a class. The
# price is somewhat larger sets.


# %% tags=["answer-3"]
def robust(network, images):
    adapted = keras.models.clone_model(network)
    adapted.set_weights(network.get_weights())
    logits = adapted(images.astype("float32"), training=True)  # changes the clone only
    return softmax(keras.ops.convert_to_numpy(logits), axis=1)


# %% [markdown]
# The hint leads to the normalisations. Each of them subtracts a mean and divides by a deviation that it remembers from *clean*
# images. Blur or noise moves both, and then every layer behind receives maps on a scale that it has never met. So we let the normalisations use the mean and
# deviation of the *batch at hand*, as they do in training. The weights stay as they are.
# How much is it worth, and what does it cost on clean images?

# %%
few, labels = data.x_val[:500], data.y_val[:500]
answers = {"as it is": predict_probabilities, "six views": six_views, "robust": robust}
for name, respond in answers.items():
    clean = np.mean(respond(load_trained("fast_cnn"), few).argmax(axis=1) == labels)
    print(f"{name}: clean {clean:.1%}, spoilt {judge(respond):.1%}")

# %% [markdown]
# A large step, for three lines and no training. (The idea is *prediction-time batch normalisation*, Z. Nado et al., [Evaluating Prediction-Time Batch Normalization](https://arxiv.org/abs/2006.10963), 2020; S. Schneider et al., [Improving
# robustness against common corruptions by covariate shift adaptation](https://arxiv.org/abs/2006.16971), 2020.) It has its price. It needs a batch, and all its images must
# be spoilt in the same way. It also needs all classes in it: give it a hundred ships, and the normalisations will take "ship" for the average of the world.

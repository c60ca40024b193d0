# %% tags=["answer-1"]
def trapezoid(t, rise, fall):
    return min(t / rise, 1, (1 - t) / fall)


# %% alt="The rate over the training: a rise, a level stretch, and a fall to zero."
(ax,) = panels(height=2.2)
t = np.linspace(0, 1, 200)
ax.plot(t, [trapezoid(share, 0.1, 0.4) for share in t], color=BLUE)
_ = ax.set(xlabel="progress of the training", ylabel="rate, of its peak", ylim=(0, 1.1))

# %% [markdown]
# A plateau has a practical charm: you can decide when to stop *while* training, since only the last
# part of the schedule depends on the end.


# %% tags=["answer-2"]
def orthogonalize(matrix):
    u, _, vt = np.linalg.svd(matrix, full_matrices=False)
    return u @ vt


# %%
matrix = np.random.default_rng(SEED).normal(size=(50, 20))
twice = matrix.copy()
twice[:, 1] = twice[:, 0]
for name, given in (("random", matrix), ("a column twice", twice)):
    exact = orthogonalize(given)
    for steps in (3, 6, 12):
        off = abs(newton_schulz(given, steps) - exact).max()
        print(f"{name}, {steps:2} steps: at most {off:.5f} from the exact one")

# %% [markdown]
# For the random matrix a dozen steps are as good as exact. With one column twice, no number of
# steps helps: one singular value is 0, and 0 stays 0 under the polynomial, while $UV^\top$ makes a
# 1 of it, in a direction that the matrix knows nothing about. Here Newton–Schulz is the wiser of
# the two.


# %% tags=["answer-3"]
def challenger():
    return replace(RECIPES["fast_cnn"], epochs=11)


# %%
share = cost_of(challenger()) / cost_of(RECIPES["fast_cnn"])
run = train(challenger().with_batch_size(BATCH_SIZE), data, SEED, verbose=0)
accuracy = run.history["val_accuracy"][-1]
print(f"{share:.0%} of fast_cnn's operations, ", end="")
print(f"{accuracy:.1%} of the validation images of {data.name}")

# %% [markdown]
# A start, not an end. One epoch fewer, and it is a whole one: five are on small images still. The schedule is
# stretched over what is left, and falls to 0 all the same. The next things to try: 18 pixels instead of 20, narrower
# stages (`model_options` with `widths`), and a rate tuned for so short a training. Each costs some accuracy; the art is to
# spend it where it buys most.

"""The command line: ``python -m cifar_utils COMMAND``; ``--help`` lists the commands."""

import argparse
import functools
import json
import sys
from pathlib import Path

from cifar_utils.checks import check_count, check_number, expected
from cifar_utils.data import DatasetError, find_cifar10, load_cifar10, load_cifar10_test
from cifar_utils.dataset import cache
from cifar_utils.experiments.bench import group_names
from cifar_utils.experiments.ledger import default_folder, read_records, revision, write_record
from cifar_utils.fast.machine import hardware, versions
from cifar_utils.notebook import choose_kernels, quiet_stderr


def show_data(options: argparse.Namespace) -> None:
    """Find or fetch CIFAR-10 and say what it is; or look after the cache."""
    if options.where:
        print(find_cifar10() or f"not on this machine; it would go to {cache.own_cache()}")
    elif options.clear:
        for path in cache.clear():
            print(f"removed {path}")
    elif options.verify:
        if damaged := cache.damaged():
            raise DatasetError(
                f"Expected {cache.own_cache()} to hold CIFAR-10 as it was written there. Received: "
                f"{', '.join(path.name for path in damaged)} missing or changed. "
                "The next load fetches CIFAR-10 anew."
            )
        print(f"{cache.own_cache()}: all pixels and labels are as they were written.")
    else:
        data = load_cifar10("cifar10")
        x_test, _ = load_cifar10_test("cifar10")
        count = len(data.x_train) + len(data.x_val)
        print(f"{data.name}: {count:,} training and {len(x_test):,} test images can be read.")
        print(f"fingerprint {data.fingerprint}")


def run_recipe(options: argparse.Namespace) -> None:
    """Train a recipe with several seeds, or what the plan lacks; write a record after each."""
    if (options.recipe is None) is not options.missing:
        raise expected("either a recipe or --missing", options.recipe or "neither")
    check_count("--seeds", options.seeds)
    if options.limit is not None:
        check_count("--limit", options.limit, lowest=10, multiple=10)
    if options.minutes is not None:
        check_number("--minutes", options.minutes, 0, 1e6)
    choose_kernels()
    with quiet_stderr():
        from cifar_utils.experiments.plan import FILE, read_plan, work_off
        from cifar_utils.experiments.run import run_seed
        from cifar_utils.fast.machine import best_precision, has_gpu
        from cifar_utils.recipes import RECIPES

        if not options.missing:
            RECIPES[options.recipe]  # raises before any data is fetched for it
        has_gpu()  # TensorFlow looks for one, and says so
        best_precision()  # measures, where it was not yet measured
        plan = (
            read_plan(options.plan or options.results / FILE, options.limit or 50_000)
            if options.missing
            else []
        )

    @functools.cache
    def data(all_images: bool):
        validation = 0 if all_images else min(5_000, options.limit or 5_000)
        return load_cifar10(val_size=validation, limit=options.limit)

    test = load_cifar10_test(limit=options.limit)
    how = {"precision": options.precision, "verbose": options.verbose, "results": options.results}
    how |= {"state": options.state, "weights": options.weights}
    if options.missing:
        work_off(plan, data, test, minutes=options.minutes, cluster=options.cluster, **how)
        return
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        run_seed(options.recipe, data(options.all_images), test, seed, epochs=options.epochs, **how)


def judge_networks(options: argparse.Namespace) -> None:
    """Judge trained networks on the test images; write a record of each, and show it."""
    choose_kernels()
    with quiet_stderr():
        from cifar_utils.experiments.judge import find_network, judge
        from cifar_utils.experiments.tables import judged_table
        from cifar_utils.fast.machine import has_gpu

        has_gpu()
    for network in options.networks:
        find_network(network)  # raises before any data is fetched for it
    test = load_cifar10_test(limit=options.limit)
    print(judged_table([judge(name, test, results=options.results) for name in options.networks]))


def predict_out_of_fold(options: argparse.Namespace) -> None:
    """Train on all folds but one, predict that one, and so on; write what was predicted."""
    choose_kernels()
    with quiet_stderr():
        from cifar_utils.experiments.folds import out_of_fold
        from cifar_utils.fast.machine import best_precision, has_gpu
        from cifar_utils.recipes import RECIPES

        has_gpu()
        best_precision()
    RECIPES[options.recipe]
    data = load_cifar10(val_size=0, limit=options.limit)
    how = {"state": options.state, "file": options.file, "verbose": options.verbose}
    out_of_fold(options.recipe, data, options.folds, **how)


def predict_photos(options: argparse.Namespace) -> None:
    """Say what photographs show, and write each with its answer; bad files stop no other."""
    choose_kernels()
    import matplotlib as mpl

    mpl.use("agg")  # pictures go to files
    import matplotlib.pyplot as plt

    with quiet_stderr():
        from cifar_utils.fast.machine import has_gpu
        from cifar_utils.photo import classify_photo
        from cifar_utils.pretrained import TRAINED

        TRAINED[options.network]
        has_gpu()
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise expected("--output as a folder that can be written to", error) from None
    encoding = sys.stdout.encoding or "utf-8"
    bad, used = [], set()
    for photo in options.photos:
        try:
            answer = classify_photo(photo, options.network)
        except ValueError as error:
            bad.append(error)
            continue
        name, times = photo.stem, 1
        while name.casefold() in used:  # photographs of one name may come from several folders
            times += 1
            name = f"{photo.stem}-{times}"
        used.add(name.casefold())
        file = options.output / f"{name}-answer.png"
        axes = answer.plot()
        try:
            axes.figure.savefig(file, dpi=150, bbox_inches="tight")
        except OSError as error:
            bad.append(expected(f"{file} as a file that can be written", error))
            continue
        finally:
            plt.close(axes.figure)
        told = f"{photo}: {answer} -> {file}"  # names of files may hold what cannot be printed
        print(told.encode(encoding, "backslashreplace").decode(encoding))
    if bad:
        raise ValueError("\n".join(map(str, bad)))


def show_demo(options: argparse.Namespace) -> None:
    """Show a page on which photographs can be dropped."""
    choose_kernels()
    with quiet_stderr():
        from cifar_utils.experiments.demo import build_demo, show
        from cifar_utils.fast.machine import has_gpu
        from cifar_utils.pretrained import TRAINED

        TRAINED[options.network]
        has_gpu()
    show(build_demo(options.network), options.port)


def run_bench(options: argparse.Namespace) -> None:
    """Measure speed side by side; keep a record, unless only a part is measured."""
    with quiet_stderr():
        from cifar_utils.experiments import bench
        from cifar_utils.experiments.charts import draw
        from cifar_utils.experiments.peers import BATCH, EPOCHS
        from cifar_utils.experiments.tables import speed_table

    record = {
        "kind": "bench",
        "hardware": hardware() | {"accelerator": "none"},
        "backend": "tensorflow",
        "versions": versions("torch") | {"cifar_utils": revision()},
        "settings": {"images": options.images, "batch_size": BATCH, "epochs": EPOCHS},
    }
    if not options.only:
        data = load_cifar10()
        record["data"] = {"name": data.name, "fingerprint": data.fingerprint}
    written = None
    for results in bench.run(options.images, options.rounds, options.only):
        if not options.only:  # rounds are long: what one has measured is not to be lost
            before, written = written, write_record(record | {"speeds": results}, options.results)
            if before:
                before.unlink()
    print(speed_table(results))
    if not written:
        print("wrote no record")
        return
    figures = options.results.resolve().parent / "figures"
    for path in (written, *draw(options.results, figures, "speed")):
        print(f"wrote {path}")


def render_results(options: argparse.Namespace) -> None:
    """Write the tables of the ledger's page, the figures, and what the package holds of it."""
    choose_kernels()
    with quiet_stderr():  # recipes know the networks, and with them Keras
        from cifar_utils.experiments.charts import draw
        from cifar_utils.experiments.tables import histories, judgements, render_tables, tables

    root, page = options.results.resolve().parent, options.results / "README.md"
    if not read_records(options.results):
        raise expected(f"records in {options.results}", "none")
    if not page.exists():
        raise expected("README.md in the folder of the ledger", options.results)
    text = render_tables(page.read_text(encoding="utf-8"), tables(options.results))
    page.write_text(text, encoding="utf-8")
    for name, collect in (("histories", histories), ("judgements", judgements)):
        file = root / "cifar_utils" / f"{name}.json"
        if file.exists():  # in a checkout; an installed package keeps what it came with
            file.write_text(json.dumps(collect(options.results)) + "\n", encoding="utf-8")
    for path in (page, *draw(options.results, root / "figures")):
        print(f"wrote {path}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m cifar_utils")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="find or fetch CIFAR-10, check it, say what it is")
    data.set_defaults(command=show_data)
    instead = data.add_mutually_exclusive_group()
    instead.add_argument("--where", action="store_true", help="say where it is")
    instead.add_argument("--verify", action="store_true", help="hash the files in the cache")
    instead.add_argument("--clear", action="store_true", help="empty the cache")

    predict = commands.add_parser("predict", help="say what photographs show")
    predict.set_defaults(command=predict_photos)
    predict.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="a file")
    predict.add_argument(
        "--output",
        type=Path,
        default=Path("build/photos"),
        help="folder for the labelled pictures (default build/photos)",
    )

    demo = commands.add_parser("demo", help="a page in the browser to drop photographs on")
    demo.set_defaults(command=show_demo)
    demo.add_argument("--port", type=int, help="of 127.0.0.1 (default: a free one from 7860 on)")
    for command in (predict, demo):
        command.add_argument(
            "--network",
            default="fast_cnn_large",
            help="a name of cifar_utils.pretrained.TRAINED (default fast_cnn_large)",
        )

    run = commands.add_parser("run", help="train a recipe, evaluate it, write a record a seed")
    run.set_defaults(command=run_recipe)
    run.add_argument("recipe", nargs="?", help="a name of cifar_utils.training.RECIPES")
    run.add_argument(
        "--missing",
        action="store_true",
        help="instead of a recipe: what the ledger lacks of a plan",
    )
    run.add_argument("--plan", type=Path, help="the plan (default: plan.toml of the ledger)")
    run.add_argument(
        "--minutes", type=float, help="with --missing: begin none that would last longer"
    )
    run.add_argument(
        "--cluster", metavar="ADDRESS", help="with --missing: of a Ray cluster to run it"
    )
    run.add_argument("--seeds", type=int, default=1, help="how many (default 1)")
    run.add_argument("--first-seed", type=int, default=0, metavar="SEED")
    run.add_argument("--epochs", type=int, help="instead of the recipe's")
    run.add_argument("--precision", help="a Keras dtype policy (default: the machine's best)")
    run.add_argument(
        "--all-images", action="store_true", help="train on 50,000 images, keep none to validate"
    )
    run.add_argument(
        "--limit", type=int, help="train, validate and test with at most so many images each"
    )
    run.add_argument(
        "--state",
        type=Path,
        default=Path("build/runs"),
        help="folder for the state of unfinished runs, which go on where they stopped",
    )
    run.add_argument("--weights", type=Path, help="folder to keep the trained networks in")
    run.add_argument("--verbose", type=int, default=2, choices=(0, 1, 2), help="as in Keras")

    bench = commands.add_parser("bench", help="measure speed, side by side with other tools")
    bench.set_defaults(command=run_bench)
    bench.add_argument("--rounds", type=int, default=5, help="of all contestants (default 5)")
    bench.add_argument("--images", type=int, default=10_000, help="an epoch (default 10000)")
    bench.add_argument("--only", choices=group_names())

    judge = commands.add_parser("judge", help="judge trained networks, write a record of each")
    judge.set_defaults(command=judge_networks)
    judge.add_argument(
        "networks",
        nargs="+",
        metavar="NETWORK",
        help="a name of cifar_utils.pretrained.TRAINED, or a .json that run --weights wrote",
    )
    judge.add_argument("--limit", type=int, help="judge with at most so many test images")

    folds = commands.add_parser(
        "out-of-fold", help="predict each training image by a network trained without it"
    )
    folds.set_defaults(command=predict_out_of_fold)
    folds.add_argument("recipe", nargs="?", default="fast_cnn", help="(default fast_cnn)")
    folds.add_argument("--folds", type=int, default=5, help="how many (default 5)")
    folds.add_argument("--limit", type=int, help="take at most so many training images")
    folds.add_argument(
        "--state",
        type=Path,
        default=Path("build/runs"),
        help="folder for what is done, which is not done again",
    )
    folds.add_argument("--file", type=Path, help="to write (default: the package's)")
    folds.add_argument("--verbose", type=int, default=2, choices=(0, 1, 2), help="as in Keras")

    results = commands.add_parser(
        "results", help="rewrite the tables beside the ledger, and figures/"
    )
    results.set_defaults(command=render_results)

    for command in (run, bench, judge, results):
        command.add_argument(
            "--results", type=Path, default=default_folder(), help="folder of the ledger"
        )

    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help(sys.stderr)
        return 2
    options = parser.parse_args(arguments)
    try:
        options.command(options)
    except (DatasetError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m cifar_utils data`` fetches CIFAR-10 if need be."""

import argparse
import sys

from cifar_utils.data import DatasetError, load_cifar10


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m cifar_utils")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("data", help="find or fetch CIFAR-10, check it, say what it is")
    parser.parse_args(arguments)
    try:
        data = load_cifar10("cifar10")
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{data.name}: {len(data.x_train) + len(data.x_val):,} training images can be read.")
    print(f"fingerprint {data.fingerprint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

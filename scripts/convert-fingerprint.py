#!/usr/bin/env python3
"""Convert JSON of GPT-OSS-MoE-ExpertFingerprinting to the trace format of expertfs.

A file holds one example, or a list of them. The routing of an example is

    "router_data": [{"token_101": {"layer_0": {"selected_experts": [0, 31, 21, 22]}, ...}}, ...]

with the experts in the order of the router. Each example is a run of tokens.

    convert-fingerprint.py data/gpqa_diamond/Genetics/*_examples.json > genetics.csv
"""

import argparse
import json
import sys


def number(name, prefix):
    """Return 7 for token_7."""
    if not name.startswith(prefix + "_"):
        raise ValueError(f"{name!r} is not {prefix}_N")
    return int(name[len(prefix) + 1 :])


def steps(example):
    """Yield (token, layer, experts), tokens and layers in ascending order."""
    tokens = {}
    for entry in example["router_data"]:
        for name, layers in entry.items():
            tokens[number(name, "token")] = layers
    for token in sorted(tokens):
        layers = {number(name, "layer"): data for name, data in tokens[token].items()}
        for layer in sorted(layers):
            yield token, layer, layers[layer]["selected_experts"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", help="files of examples (*_examples.json)")
    args = parser.parse_args()
    for path in args.files:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
        print("#", path)
        for example in data if isinstance(data, list) else [data]:
            try:
                lines = [",".join(map(str, (token, layer, *experts))) for token, layer, experts in steps(example)]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                sys.exit(f"{path}: no routing as expected: {error!r}")
            print(*lines, sep="\n")


if __name__ == "__main__":
    main()

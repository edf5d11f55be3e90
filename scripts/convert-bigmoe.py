#!/usr/bin/env python3
"""Convert a route trace of BigMoeOnEdge to the trace format of expertfs.

A route trace has one row for each routed expert,

    turn,phase,step,layer,slot,expert,weight,residency,expert_bytes[,dropped]

below comments that describe the model. Phase 0 is the prompt, whose rows come
layer by layer for a chunk of tokens: it becomes one step a layer that uses all
experts of the chunk. Phase 1 is decoding: one step a layer and token, the
experts in order of their slots.

    convert-bigmoe.py gptoss.route.csv > gptoss.csv
"""

import argparse
import re
import sys

MODEL_KEYS = {"n_layer": "layers", "n_expert": "experts", "n_expert_used": "top-k"}


def read(lines):
    """Yield ("meta", key, value) and ("row", turn, phase, step, layer, slot, expert)."""
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if line.startswith("#"):
            for key, value in re.findall(r"(\w+)=(\d+)", line):
                yield "meta", key, int(value)
            continue
        fields = line.split(",")
        if not line or fields[0] == "turn":  # the names of the columns
            continue
        try:
            turn, phase, step, layer, slot, expert = map(int, fields[:6])
        except ValueError:
            sys.exit(f"line {number}: not a row of a route trace: {line}")
        yield "row", turn, phase, step, layer, slot, expert


def steps(rows):
    """Yield (phase, step, layer, experts) for rows in the order of the file."""
    last, experts = None, {}
    for turn, phase, step, layer, slot, expert in rows:
        # A prompt's step is all of a chunk in one layer, whatever the token.
        key = (turn, phase, layer, None if phase == 0 else step)
        if key != last and experts:
            yield last[1], first, last[2], ordered(experts)
            experts = {}
        if not experts:
            first = step
        last = key
        experts[expert] = min(slot, experts.get(expert, slot))
    if experts:
        yield last[1], first, last[2], ordered(experts)


def ordered(experts):
    """Sort by the best slot, stable in order of appearance."""
    return sorted(experts, key=experts.get)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decode-only", action="store_true", help="leave out the prompts")
    parser.add_argument("trace", help="the route trace, - for standard input")
    args = parser.parse_args()

    source = sys.stdin if args.trace == "-" else open(args.trace, encoding="utf-8")
    meta, rows = {}, []
    with source:
        for item in read(source):
            if item[0] == "meta":
                meta.setdefault(item[1], item[2])
            else:
                rows.append(item[1:])
    words = [f"{ours}={meta[theirs]}" for theirs, ours in MODEL_KEYS.items() if theirs in meta]
    if meta.get("expert_bytes"):
        words.append(f"expert-bytes={meta['expert_bytes']}")
    print("# from a route trace of BigMoeOnEdge", *words)
    for phase, token, layer, experts in steps(rows):
        if phase != 0 or not args.decode_only:
            print(token, layer, *experts, sep=",")


if __name__ == "__main__":
    main()

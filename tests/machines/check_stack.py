#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The driver's use of the stack, from the compiler's report (-fcallgraph-info=su): pcscd calls the driver from threads,
to which musl gives 128 KiB. Calls through pointers are not followed."""

import os
import re
import sys

from collections import defaultdict

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "check"))
from tap import Tap  # noqa: E402

BUILD = os.environ.get("top_builddir", ".")
FRAME_MAX = 4096
CHAIN_MAX = 64 * 1024
NODE = re.compile(r'^node: \{ title: "([^"]*)" label: "([^"]*)"')
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"')
USE = re.compile(r"(\d+) bytes \((.*?)\)")


def read(lines, frames, calls):
    """frames: bytes and kind by function; calls: the functions that a function calls."""
    for line in lines:
        node, edge = NODE.match(line), EDGE.match(line)
        use = USE.search(node[2]) if node else None
        if use:
            frames[node[1]] = (int(use[1]), use[2])
        elif edge:
            calls[edge[1]].add(edge[2])


def too_large(frames):
    return [f"{name}: {size} bytes" for name, (size, _) in frames.items() if size > FRAME_MAX]


def unbounded(frames):
    return [f"{name}: {kind}" for name, (_, kind) in frames.items() if kind not in ("static", "dynamic,bounded")]


def deepest(name, frames, calls, known, above=()):
    """Bytes and names of the deepest chain of calls from a function on; a recursion is cut at its second round."""
    if name in above:
        return 0, ()
    if name not in known:
        below = max((deepest(n, frames, calls, known, above + (name,)) for n in calls[name]), default=(0, ()))
        known[name] = below[0] + frames.get(name, (0, ""))[0], (name,) + below[1]
    return known[name]


def main():
    tap = Tap()
    frames, calls, known = {}, defaultdict(set), {}
    for path, _, files in os.walk(os.path.join(BUILD, "src")):
        for name in files:
            if name.endswith(".ci"):
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    read(file, frames, calls)
    tap.case("there are functions to look at", len(frames) > 300)
    tap.case(f"no frame over {FRAME_MAX} bytes", too_large(frames))
    tap.case("no frame without a bound", unbounded(frames))
    size, chain = max(deepest(name, frames, calls, known) for name in frames)
    names = " > ".join(name.rsplit("/", 1)[-1] for name in chain)
    print(f"# the deepest chain: {size} bytes: {names}")
    print("# the largest frame: {0[0]} bytes: {1}".format(*max((f, name) for name, f in frames.items())))
    tap.case(f"no chain of calls over {CHAIN_MAX} bytes", size <= CHAIN_MAX)

    frames, calls = {}, defaultdict(set)
    read(['node: { title: "a" label: "a\\na.c:1:1\\n5000 bytes (static)\\n0 dynamic objects" }',
          'node: { title: "b" label: "b\\nb.c:1:1\\n16 bytes (dynamic)\\n1 dynamic objects" }',
          'edge: { sourcename: "b" targetname: "a" label: "b.c:2:1" }',
          'edge: { sourcename: "a" targetname: "b" label: "a.c:2:1" }'], frames, calls)
    tap.case("rules: a large frame is found", too_large(frames) == ["a: 5000 bytes"])
    tap.case("rules: a frame without a bound is found", unbounded(frames) == ["b: dynamic"])
    tap.case("rules: frames add up", deepest("b", frames, calls, {}) == (5016, ("b", "a")))
    tap.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each fuzz target has one packed corpus, in the form that corpus.py writes, and all its inputs are run."""

import os
import re
import subprocess
import sys
import tempfile

from tap import Tap

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("top_builddir", ".")
FUZZ = os.path.join(TOP, "tests", "fuzz")
sys.path.insert(0, FUZZ)
import corpus  # noqa: E402 # pylint: disable=wrong-import-position


def targets():
    """The targets: files that define fuzz_name."""
    found = []
    for name in os.listdir(FUZZ):
        match = re.fullmatch(r"fuzz_(\w+)\.c", name)
        if match:
            with open(os.path.join(FUZZ, name), encoding="utf-8") as file:
                if re.search(r"^const char fuzz_name\[\]", file.read(), re.M):
                    found.append(match[1])
    return sorted(found)


def read(target):
    with open(os.path.join(FUZZ, "corpus", target + ".corpus"), encoding="ascii") as file:
        return file.read()


def replayed(target, path=None):
    """The result of replay_TARGET for its corpus, or for a file: exit code, names of its cases."""
    command = [os.path.join(BUILD, "tests", "fuzz", "replay_" + target)] + ([path] if path else [])
    said = subprocess.run(command, stdout=subprocess.PIPE, timeout=300, check=False)
    return said.returncode, re.findall(rf"^ok \d+ - {target}: (.*)$", said.stdout.decode(), re.M)


def form(target):
    try:
        text = read(target)
        inputs = corpus.unpack(text)
    except (OSError, ValueError) as error:
        return [str(error)]
    if not inputs:
        return ["no inputs"]
    return [] if corpus.pack(target, inputs) == text else ["not as corpus.py writes it"]


def show_that_a_damaged_file_fails(tap):
    bad = {"bytes without a name": "\t00\n", "half a byte": "a\n\t0\n", "other letters": "a\n\t0g\n", "nothing": "",
           "blanks between bytes": "a\n\t00 11\n"}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in bad.items():
            path = os.path.join(folder, "x.corpus")
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            tap.case(f"replay_atr: {name}: fails", replayed("atr", path)[0] != 0)


def main():
    tap = Tap()
    names = targets()
    have = sorted(corpus.target_of(name) for name in os.listdir(os.path.join(FUZZ, "corpus")))
    tap.case(f"{len(names)} fuzz targets, each with a corpus", [] if names == have else [f"{names} is not {have}"])
    for target in names:
        tap.case(f"{target}: one packed file, as corpus.py writes it", form(target))
        if os.path.exists(os.path.join(BUILD, "tests", "fuzz", "replay_" + target)):
            tap.case(f"{target}: every input is replayed",
                     replayed(target)[1] == sorted(corpus.unpack(read(target))))
        else:
            tap.skip(f"{target}: every input is replayed", "the target is not built")
    if os.path.exists(os.path.join(BUILD, "tests", "fuzz", "replay_atr")):
        show_that_a_damaged_file_fails(tap)
    tap.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every source file and every test is named in Makefile.am: none is forgotten, none is lost
from the package."""

import os
import re

from tap import Tap

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))


def names_in(makefile):
    names = set(re.findall(r"[\w./-]+", re.sub(r"^#.*", "", makefile, flags=re.M)))
    # A program's source is implied by its name.
    return names | {name + ".c" for name in names}


def tree(folder, pattern):
    for path, _, files in os.walk(os.path.join(TOP, folder)):
        for name in sorted(files):
            full = os.path.relpath(os.path.join(path, name), TOP)
            if re.search(pattern, name) and not re.search(r"/(\.libs|\.deps)/", full):
                yield full


def missing(files, makefile):
    names = names_in(makefile)
    folders = {name.rstrip("/") for name in names}

    def distributed(file):
        parts = file.split("/")
        return any("/".join(parts[:i]) in folders for i in range(2, len(parts)))

    return [file for file in files if file not in names and not distributed(file)]


def main():
    tap = Tap()
    with open(os.path.join(TOP, "Makefile.am"), encoding="utf-8") as file:
        makefile = file.read()
    # What the flex rule makes in a build inside the tree is no source.
    sources = [f for f in tree("src", r"\.([chl]|def)$") if f != "src/util/plist_lex.c"]
    tap.case("src: every file", missing(sources, makefile))
    tap.case("tests/sim: every file", missing(tree("tests/sim", r"\.[ch]$"), makefile))
    tap.case("tests/unit: every test", missing(tree("tests/unit", r"\.[ch]$"), makefile))
    tap.case("tests/field: every file", missing(tree("tests/field", r"\.(c|h|md|tsv)$"), makefile))
    tap.case("tests/check: every check", missing(tree("tests/check", r"\.(c|sh|py)$"), makefile))
    tap.case("tests/e2e: every test", missing(tree("tests/e2e", r"\.(c|sh|py)$"), makefile))
    tap.case("rules: a forgotten file is found",
             missing(["src/slot/forgotten.c"], makefile) == ["src/slot/forgotten.c"])
    tap.finish()


if __name__ == "__main__":
    main()

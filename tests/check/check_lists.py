#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every source file and every test is named in a makefile, so that none is forgotten or missing
in the package."""

import os
import re

from makefiles import makefile
from tap import Tap

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))


def names_in(text):
    names = set(re.findall(r"[\w./-]+", re.sub(r"^#.*", "", text, flags=re.M)))
    # A program's source is implied by its name.
    return names | {name + ".c" for name in names}


def tree(folder, pattern):
    for path, _, files in os.walk(os.path.join(TOP, folder)):
        for name in sorted(files):
            full = os.path.relpath(os.path.join(path, name), TOP)
            if re.search(pattern, name) and not re.search(r"/(\.libs|\.deps)/", full):
                yield full


def missing(files, text):
    names = names_in(text)
    folders = {name.rstrip("/") for name in names}

    def distributed(file):
        parts = file.split("/")
        return any("/".join(parts[:i]) in folders for i in range(2, len(parts)))

    return [file for file in files if file not in names and not distributed(file)]


FIELD_RULES = [f"{letter}{n}" for letter, last in (("W", 6), ("R", 9), ("S", 22)) for n in range(1, last + 1)]


def there(case):
    """True when there is such a case of tests/field, or such a file with these words: "PATH: WORDS"."""
    path, _, words = case.partition(": ")
    full = os.path.join(TOP, path if words else f"tests/field/cases/{case}.script")
    if not os.path.isfile(full):
        return False
    with open(full, encoding="utf-8") as file:
        return words in file.read()


def rules_without_case(text):
    """Rules without a case in the table of tests/field/README.md, and cases of the table that do not exist."""
    rows = {m[1]: re.findall(r"`([^`]+)`", m[2]) for m in re.finditer(r"^\| ([WRS]\d+) \|.*\|(.*)\|$", text, re.M)}
    return [f"{rule} has no case" for rule in FIELD_RULES if not rows.get(rule)] + \
        [f"{rule}: {case} is not there" for rule, cases in rows.items() for case in cases if not there(case)]


def main():
    tap = Tap()
    text = makefile()
    # The output of flex in a build inside the tree is not a source.
    sources = [f for f in tree("src", r"\.([chl]|def)$") if f != "src/util/plist_lex.c"]
    tap.case("src: every file", missing(sources, text))
    tap.case("sim: every file", missing(tree("sim", r"\.[ch]$"), text))
    tap.case("tests/fake: every file", missing(tree("tests/fake", r"\.[ch]$"), text))
    tap.case("tests/unit: every test", missing(tree("tests/unit", r"\.[ch]$"), text))
    tap.case("tests/field: every file", missing(tree("tests/field", r"\.(c|h|md|tsv)$"), text))
    with open(os.path.join(TOP, "tests/field/README.md"), encoding="utf-8") as file:
        table = file.read()
    tap.case("tests/field: every rule has a case", rules_without_case(table))
    tap.case("rules: a rule without a case is found",
             rules_without_case(re.sub(r"^\| S19 .*\n", "", table, flags=re.M)) == ["S19 has no case"] and
             rules_without_case(table.replace("`card-with-a-crc`", "`none`")) == ["S16: none is not there"])
    tap.case("tests/check: every check", missing(tree("tests/check", r"\.(c|sh|py)$"), text))
    tap.case("tests/e2e: every test", missing(tree("tests/e2e", r"\.(c|sh|py)$"), text))
    tap.case("rules: a forgotten file is found",
             missing(["src/slot/forgotten.c"], text) == ["src/slot/forgotten.c"])
    tap.finish()


if __name__ == "__main__":
    main()

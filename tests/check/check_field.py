#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/field/rows.tsv: each row of what real readers need has a test, and each test is there; each reader file in
tests/field/cases is used by a script."""

import os
import re

from tap import Tap

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))
CASES = os.path.join(TOP, "tests/field/cases")
ROWS = [f"{letter}{n}" for letter, last in (("W", 6), ("R", 9), ("S", 22)) for n in range(1, last + 1)]


def exists(test):
    return os.path.exists(os.path.join(TOP, test) if "/" in test else os.path.join(CASES, test + ".script"))


def faults(text):
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    head, rows = rows[0], rows[1:]
    found = [row[0] for row in rows]
    wrong = [] if head == ["row", "what", "tests"] else ["the first line names the columns"]
    wrong += [f"{row}: no such row, or twice" for row in found if row not in ROWS or found.count(row) > 1]
    wrong += [f"{row}: has no test" for row in ROWS
              if not any(r[0] == row and len(r) == 3 and r[2].split() for r in rows)]
    return wrong + [f"{row[0]}: {test} is not there" for row in rows for test in row[2].split() if not exists(test)]


def unused():
    names = sorted(os.listdir(CASES))
    scripts = "\n".join(open(os.path.join(CASES, name), encoding="utf-8").read()
                        for name in names if name.endswith(".script"))
    used = {name[:-len(".script")] for name in names if name.endswith(".script")}
    used |= set(re.findall(r"^sim (\S+)$", scripts, re.M))
    return [name for name in names if name.endswith(".sim") and name[:-len(".sim")] not in used]


def main():
    tap = Tap()
    with open(os.path.join(TOP, "tests/field/rows.tsv"), encoding="utf-8") as file:
        text = file.read()
    tap.case("every row has tests, and they are there", faults(text))
    tap.case("every reader is used", unused())
    tap.case("rules: a row without tests is found", bool(faults(re.sub(r"^S1\t.*\n", "", text, flags=re.M))))
    tap.case("rules: a test that is not there is found", bool(faults(text.replace("tests/unit/", "tests/unti/"))))
    tap.finish()


if __name__ == "__main__":
    main()

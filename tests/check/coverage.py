#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The coverage of src/ by the tests (make coverage, in a build with --enable-coverage): each folder and all folders
against the threshold, file by file in coverage.txt. tests/coverage.txt is its copy.

Only the unit tests and the corpora of the fuzzers count: lines that only pcscd on simulated readers or the virtual
machine reaches are not included. Lines that depend on a race between threads change the numbers a little, but never
the verdict: the threshold is below the minimum."""

import json
import os
import re
import subprocess
import sys

from tap import Tap

TOP = os.path.realpath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", "..")))
SUMMARY = "coverage.txt"
COMMITTED = os.path.join(TOP, "tests", "coverage.txt")

# Percent of lines and of branches that each folder of src/, and src/ as a whole, must reach.
THRESHOLD = {"line": 95, "branch": 88}
# Points by which the total of tests/coverage.txt may differ.
STALE = 1.0

# The one list of files that are left out, with the reasons.
LEFT_OUT = {
    "src/util/plist_lex.c": "made by flex from plist.l: its tables and buffers are not ours to test",
    "src/util/plist.l": "becomes part of that file",
}
NOT_HERE = """\
Not in this build: what --enable-composite-as-multislot and --enable-embedded add (./run-tests multislot, options).
Not C: src/tools/ccid-add-reader.in (tests/unit/tools/test_add_reader.sh), src/quirks/quirks.def (data)."""


def measure():
    """For each file of src/: lines and branches, reached and total."""
    gcovr = subprocess.run(
        ["gcovr", "-r", TOP, "--object-directory", ".", "--filter", re.escape(os.path.join(TOP, "src", "")),
         "--gcov-exclude", r".*(plist_lex|lex\.yy)", "--exclude-throw-branches", "--exclude-unreachable-branches",
         ".", "--json-summary"], capture_output=True, text=True, check=False)
    if gcovr.returncode:
        print(gcovr.stderr, file=sys.stderr)
        sys.exit("Bail out! gcovr failed")
    return {file["filename"]: file for file in json.loads(gcovr.stdout)["files"] if file["filename"] not in LEFT_OUT}


def add(files):
    return {f"{what}_{part}": sum(file[f"{what}_{part}"] for file in files)
            for what in THRESHOLD for part in ("covered", "total")}


def percent(of, what):
    return 100.0 * of[what + "_covered"] / of[what + "_total"] if of[what + "_total"] else 100.0


def folders_of(files):
    folders = {}
    for name in sorted(files):
        folders.setdefault(os.path.dirname(name), []).append(files[name])
    return folders


def row(name, of):
    cells = "".join(f"{of[what + '_covered']:7} / {of[what + '_total']:5} {percent(of, what):6.1f} %" for what in THRESHOLD)
    return f"{name:34}{cells}"


def compiler():
    version = subprocess.run([*os.environ.get("CC", "gcc").split(), "--version"], capture_output=True, text=True,
                             check=False)
    return version.stdout.split("\n")[0]


def below_threshold(inside, what):
    """The faults when these files do not reach the threshold together: the figure, and the files below it."""
    reached = percent(add(inside), what)
    low = [row(file["filename"], file) for file in inside if percent(file, what) < THRESHOLD[what]]
    return [] if reached >= THRESHOLD[what] else [f"{reached:.1f} % are reached", *low]


def summary(files):
    lines = ["# SPDX-License-Identifier: LGPL-2.1-or-later",
             "What of src/ the unit tests and the corpora of the fuzzers reach (make coverage; tests/check/coverage.py).",
             f"Threshold for each folder: {THRESHOLD['line']} % of lines, {THRESHOLD['branch']} % of branches. {compiler()}, gcovr.",
             "", *(f"Left out: {name}, {why}." for name, why in LEFT_OUT.items()), NOT_HERE, "",
             f"{'':34}{'lines':>20}{'branches':>24}".rstrip()]
    for folder, inside in folders_of(files).items():
        lines += ["", row(folder + "/", add(inside))]
        lines += [row("    " + os.path.basename(file["filename"]), file) for file in inside]
    return "\n".join([*lines, "", row("all", add(files.values())), ""])


def sources():
    """The files to measure: the C files of src/ that are not left out."""
    for path, _, names in os.walk(os.path.join(TOP, "src")):
        for name in names:
            full = os.path.relpath(os.path.join(path, name), TOP)
            if name.endswith(".c") and full not in LEFT_OUT and ".libs" not in full:
                yield full


def rows_of(text):
    """The names in a summary, and the percentages of the last line."""
    rows = [line.split() for line in text.split("\n") if line.endswith(" %")] or [["nothing"]]
    last = [float(word) for word in rows[-1] if re.fullmatch(r"\d+\.\d", word)]
    return {fields[0] for fields in rows}, last


def differences(now, committed):
    """The reasons why the committed summary is out of date."""
    (names, values), (old_names, old_values) = rows_of(now), rows_of(committed)
    faults = [f"{name} is missing" for name in sorted(names - old_names)]
    faults += [f"{name} is gone" for name in sorted(old_names - names)]
    faults += [f"{old} % there, {new} % now" for new, old in zip(values, old_values) if abs(new - old) > STALE]
    return faults and [*faults, "copy coverage.txt of the build folder to tests/coverage.txt"]


def main():
    tap = Tap()
    files = measure()
    tap.case("every C file of src/ is measured", [f"{name} is not" for name in sorted(set(sources()) - set(files))])
    for folder, inside in [*folders_of(files).items(), ("all of src", list(files.values()))]:
        for what, threshold in THRESHOLD.items():
            tap.case(f"{folder}: {threshold} % of {what}{'es' if what == 'branch' else 's'}", below_threshold(inside, what))
    text = summary(files)
    with open(SUMMARY, "w", encoding="utf-8") as file:
        file.write(text)
    with open(COMMITTED, encoding="utf-8") as file:
        committed = file.read()
    tap.case("tests/coverage.txt lists these files", differences(text, committed))
    tap.case("a file that is not listed is found", bool(differences(text + "    new.c 1 / 2 50.0 %\n", text)))
    half = {f"{what}_{part}": n for what in THRESHOLD for part, n in (("covered", 1), ("total", 2))}
    tap.case("coverage below the threshold is found", all(below_threshold([{"filename": "x", **half}], what) for what in THRESHOLD))
    tap.finish()


main()

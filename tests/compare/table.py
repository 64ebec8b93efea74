# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records of compare-play, the table of differences, and the comparison by it."""

import collections
import csv
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = ["name", "versions", "cases", "step", "kinds", "codes", "ours", "theirs", "pair",
           "what_ours", "what_theirs", "right", "why"]


class Step:
    def __init__(self, text):
        self.text, self.wire, self.code, self.data, self.ms = text, [], None, "", 0
        self.card_on = False    # before the step, by what the steps before it returned

    def whole(self):
        return f"[{' '.join(self.wire)}] = {self.code} {self.data} {self.ms} ms"

    def shown(self):
        wire = " ".join(self.wire)
        if len(self.wire) > 24:
            wire = f"{' '.join(self.wire[:20])} ... {len(self.wire)} messages"
        return f"[{wire}] = {self.code} {self.data} {self.ms} ms"


NO_CARD = 616


def mark_power(steps):
    """Fills card_on: after a power-up that succeeded, until power down or the card's removal."""
    on = False
    for step in steps:
        step.card_on = on
        if step.text in ("power up", "power reset"):
            on = step.code == 0
        elif step.code == NO_CARD or (step.text == "power down" and step.code == 0) or step.text.startswith("slot "):
            on = False


def read_record(lines):
    """case -> (steps, signal)"""
    got, steps = {}, []
    for line in lines:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "case":
            steps, name = [], rest
        elif word == "step":
            steps.append(Step(rest))
        elif word in (">", "c") and steps:
            steps[-1].wire.append(rest if word == ">" else "c:" + rest.replace(" ", ":"))
        elif word == "=" and steps:
            code, steps[-1].data, ms = rest.split()
            steps[-1].code, steps[-1].ms = int(code), int(ms)
        elif word == "end":
            mark_power(steps)
            got[name] = steps, int(rest)
    return got


def waits_differ(a, b):
    return abs(a - b) >= 400 and abs(a - b) > 0.1 * max(a, b)


def differences(mine, theirs):
    """Yields (step of mine, step of theirs, kinds) while the two drivers are in the same state."""
    for a, b in zip(mine, theirs):
        kinds = [k for k, differ in (("wire", a.wire != b.wire), ("code", a.code != b.code), ("data", a.data != b.data),
                                     ("time", waits_differ(a.ms, b.ms))) if differ]
        if kinds:
            yield a, b, kinds
        if (a.code == 0) != (b.code == 0):
            return


def both(case, a, b):
    """What a row's column "pair" is matched with: one text, so that the two sides can be compared with each other."""
    return f"{case} | {a.text} {'on' if a.card_on else 'off'} | {a.whole()} | {b.whole()}"


class Row:
    def __init__(self, values):
        self.__dict__.update(values)
        self.hits = collections.Counter()
        self.pattern = {k: re.compile(getattr(self, k) or "") for k in ("cases", "step", "ours", "theirs", "pair")}
        self.kind_sets = [set(k.split("+")) for k in self.kinds.split()]
        self.pairs = self.codes.split()

    def for_version(self, version):
        return self.versions == "all" or version in self.versions.split(",")

    def matches(self, version, case, a, b, kinds):
        return (self.for_version(version) and set(kinds) in self.kind_sets and
                ("code" not in kinds or f"{a.code}/{b.code}" in self.pairs) and self.pattern["cases"].search(case) and
                self.pattern["step"].search(a.text) and self.pattern["ours"].search(a.shown()) and
                self.pattern["theirs"].search(b.shown()) and (not self.pair or self.pattern["pair"].search(both(case, a, b))))


def read_rows():
    with open(HERE / "differences.tsv", newline="", encoding="utf-8") as f:
        rows = [r for r in csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE) if r and not r[0].startswith("#")]
    bad = [r for r in rows if len(r) != len(COLUMNS)]
    if bad:
        sys.exit(f"differences.tsv: {len(bad[0])} columns, not {len(COLUMNS)}: {bad[0][0]}")
    return [Row(dict(zip(COLUMNS, r))) for r in rows]


def compare(version, mine, theirs, rows):
    """Returns (steps compared, number of listed differences, unlisted differences: key -> [(case, text)])."""
    steps = listed = 0
    unlisted = collections.OrderedDict()
    for case, (a, signal) in mine.items():
        b, their_signal = theirs[case]
        if signal:
            unlisted.setdefault(("ended", str(signal)), []).append((case, f"this driver ended with {signal}"))
            continue
        if their_signal:
            b = b[:-1]
        steps += min(len(a), len(b))
        for x, y, kinds in differences(a, b):
            row = next((r for r in rows if r.matches(version, case, x, y, kinds)), None)
            if row:
                row.hits[version] += 1
                listed += 1
            else:
                key = case.split("/")[0], case.split("/")[1], x.text.split()[0], ",".join(kinds), x.code, y.code
                unlisted.setdefault(key, []).append((case, f"{x.text}\n\tours   {x.shown()}\n\ttheirs {y.shown()}"))
    return steps, listed, unlisted

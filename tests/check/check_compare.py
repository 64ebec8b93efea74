#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of tests/compare must not be too wide: conversations that were recorded from this driver and from libccid
are met by it, and each error planted in this driver's half of them is reported as a difference that no row has."""

import os
import pathlib
import re
import sys

from tap import Tap

COMPARE = pathlib.Path(os.environ.get("top_srcdir", pathlib.Path(__file__).resolve().parents[2])) / "tests/compare"
sys.path.insert(0, str(COMPARE))
sys.dont_write_bytecode = True

import table  # noqa: E402

VERSION = "1.8.4"
TC1, WI, INVERSE, SPECIFIC = "3B5E11FF", "3B8540", "3F2F00", "3BF791"
T1, SEVERAL, PIN, SMALL, CLOSED_ON = "/072f:90cc", "/1c34:afc0", "/072f:8201", "/04e6:5a11", TC1
POWER_OFF, STATUS, POWER_ON = "630000000000XX000000", "650000000000XX000000", "620000000000XX000000"


def wire(change):
    """An alteration of the messages of a step."""
    def alter(step):
        step.wire = change(step.wire)
    return alter


def sub(pattern, text):
    return wire(lambda messages: [re.sub(pattern, text, m) for m in messages])


def waited(ms):
    def alter(step):
        step.ms = ms
    return alter


def returned(code, data="-"):
    def alter(step):
        step.code, step.data = code, data
    return alter


# What is planted, part of the conversation's name, the step, the alteration.
PLANTED = (
    ("TC1 is told as 0", TC1, "proto 0", sub("FF0A00$", "000A00")),
    ("WI is told as 0A", WI, "proto 0", sub("002000$", "000A00")),
    ("the inverse convention is not told", INVERSE, "proto 0", sub("1102000A00$", "1100000A00")),
    ("SetParameters goes out twice", TC1, "proto 0", wire(lambda m: m + m[-1:])),
    ("SetParameters does not go out", TC1, "proto 0", wire(lambda m: [])),
    ("in specific mode, TC1 is told as 0", SPECIFIC, "proto 1", sub("FF4000FE00$", "004000FE00")),
    ("in specific mode, the speed is another one", SPECIFIC, "proto 1", sub("9110FF", "9410FF")),
    ("in specific mode, SetParameters goes out twice", SPECIFIC, "proto 1", wire(lambda m: m + m)),
    ("no power off at power down", T1, "power down", wire(lambda m: [])),
    ("two times power off at power down, and a status request", T1, "power down", wire(lambda m: m + m + [STATUS])),
    ("no power off when a slot with power is closed", CLOSED_ON, "close", wire(lambda m: [])),
    ("closing waits for 30 s", SEVERAL, "close", waited(30000)),
    ("closing a slot with power waits for 30 s", CLOSED_ON, "close", waited(30000)),
    ("three times power off and a power on at opening", T1, "open 0", wire(lambda m: [POWER_OFF] * 3 + [POWER_ON] + m)),
    ("no status request at opening", T1, "open 0", wire(lambda m: [])),
    ("three status requests at opening", T1, "open 0", wire(lambda m: m * 3)),
    ("the IFSD request is dropped", T1, "proto 1", wire(lambda m: m[:-1])),
    ("the IFSD request is dropped where blocks are small", SMALL, "proto 1", wire(lambda m: m[:-1])),
    ("two resynchronisations after a PIN command", PIN, "apdu 00A40000023F00", wire(lambda m: m[:1] + m)),
    ("another block after a resynchronisation", PIN, "apdu 00A40000023F00", sub("00A4", "00B4")),
    ("small blocks carry something else", SMALL, "apdu 80160000FA@250", sub("80160000FA", "80170000FA")),
    ("a T=0 TPDU has a wrong byte", INVERSE, "apdu 00B0000010", sub("10$", "11")),
    ("an APDU has another result", T1, "apdu 00B0000010", returned(0, "6A82")),
    ("an APDU fails", T1, "apdu 00B0000010", returned(612)),
)


def halves():
    """The conversations of this driver, and those of libccid."""
    text = (COMPARE / "bites.record").read_text(encoding="utf-8")
    ours, theirs = re.split(r"^played libccid$", text, flags=re.M)
    return ours.splitlines(), theirs.splitlines()


def planted(name, step, alter):
    """The one conversation with the error in it, for both drivers; None: it has no such step."""
    ours, theirs = (table.read_record(x) for x in halves())
    case = next((c for c in ours if name in c), None)
    at = [s for s in ours[case][0] if s.text == step] if case else []
    if not at:
        return None
    before = at[-1].whole()
    alter(at[-1])
    return None if at[-1].whole() == before else ({case: ours[case]}, {case: theirs[case]})


def unbounded(row):
    """Does the row accept any messages whatever of steps that succeed?"""
    return ({"wire"} in row.kind_sets and not (row.pair or row.ours or row.theirs))


def main():
    tap = Tap()
    rows = table.read_rows()
    ours, theirs = (table.read_record(x) for x in halves())
    _, listed, unlisted = table.compare(VERSION, ours, theirs, rows)
    tap.case("recorded conversations: each difference is in a row",
             [str(k) for k in unlisted] if listed > 15 else ["too few differences"])
    for what, name, step, alter in PLANTED:
        halves_with = planted(name, step, alter)
        found = halves_with and table.compare(VERSION, *halves_with, rows)[2]
        tap.case(f"reported: {what}", [] if found else ["no difference is unlisted" if halves_with else "there is no such step"])
    wide = [r.name for r in rows if unbounded(r)]
    tap.case("each row that accepts other messages says which", wide)
    tap.finish()


if __name__ == "__main__":
    main()

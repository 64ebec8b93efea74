#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ATRs of pcsc-tools' list, where it is installed, through the driver's parser and its negotiation
(tests/check/atr_look), and through pyscard's smartcard.ATR: each parses, none is refused when reader and
card can agree, and protocols and TA1 are the same.

A line of the list is a regular expression. Each place in it is a hexadecimal digit, '.', or a choice in
brackets; '.*' is ignored. Three ATRs are made of a line: with the first choices and 0, with the last choices and F,
and with random digits from a generator that the line seeds. An open last byte that must be a check byte is computed."""

import os
import random
import re
import subprocess
import sys

from tap import Tap

BUILD = os.environ.get("top_builddir", ".")
LISTS = [os.environ.get("ATR_LIST", ""), "/usr/share/pcsc/smartcard_list.txt",
         "/usr/local/pcsc/smartcard_list.txt"]
HEX = "0123456789ABCDEF"
ATR_MAX = 33
SYSTEM_PYTHON = "/usr/bin/python3"


def pyscard():
    """The independent parser; from the system's Python where this Python lacks it."""
    try:
        from smartcard.ATR import ATR
        return ATR
    except ImportError:
        if os.path.exists(SYSTEM_PYTHON) and not os.environ.get("ATR_LIST_AGAIN"):
            os.environ["ATR_LIST_AGAIN"] = "1"
            os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON] + sys.argv)
        return None


def choices(text):
    """The digits that each place of a line may have; None: not the pattern of an ATR."""
    places, rest = [], re.sub(r"\s|\.\*", "", text.upper())
    while rest:
        match = re.match(r"\[([0-9A-F,-]+)\]|([0-9A-F])|(\.)", rest)
        if not match:
            return None
        if match[1]:
            digits = ""
            for part in re.findall(r"[0-9A-F]-[0-9A-F]|[0-9A-F]", match[1]):
                digits += HEX[HEX.index(part[0]):HEX.index(part[-1]) + 1]
            places.append(digits)
        else:
            places.append(match[2] or HEX)
        rest = rest[match.end():]
    return places if len(places) % 2 == 0 else None


def check_byte_place(atr):
    """The place of the check byte by ISO 7816-3 8.2, or None; independent of the driver's code."""
    at, y, named = 2, atr[1] >> 4, set()
    while y:
        at += bin(y & 7).count("1")
        if not y & 8:
            break
        if at >= len(atr):
            return None
        named.add(atr[at] & 15)
        y = atr[at] >> 4
        at += 1
    return at + (atr[1] & 15) if named - {0} else None


def expand(places):
    """Up to three ATRs of a line."""
    dice = random.Random("".join(places))
    found = []
    for pick in (lambda p: p[0], lambda p: p[-1], dice.choice):
        atr = bytearray.fromhex("".join(pick(p) for p in places))
        tck = check_byte_place(atr) if len(atr) > 1 else None
        if tck == len(atr) - 1 and places[-2] == HEX and places[-1] == HEX:
            atr[tck] = 0
            for byte in atr[1:tck]:
                atr[tck] ^= byte
        if bytes(atr) not in found:
            found.append(bytes(atr))
    return found


def read_list(path):
    lines, unknown = [], []
    with open(path, encoding="utf-8", errors="replace") as file:
        for text in file:
            if not re.match(r"3[BF]", text):
                continue
            places = choices(text.split("\t")[0].strip())
            if places is None:
                unknown.append(text.strip())
            else:
                lines.append((text.strip(), expand(places)))
    return lines, unknown


def look(atrs):
    """The driver's result for each ATR: (protocols, TA1, refused)."""
    run = subprocess.run([os.path.join(BUILD, "tests", "check", "atr_look")],
                         input="".join(a.hex() + "\n" for a in atrs), stdout=subprocess.PIPE,
                         universal_newlines=True, check=True)
    return [line.split() for line in run.stdout.splitlines()]


def independent(parser, atr):
    """Protocols as a set of T, and TA1, by pyscard; None where pyscard cannot read the ATR."""
    try:
        told = parser(list(atr))
        protocols = {int(name[2:]) for name in told.getSupportedProtocols()
                     if told.getSupportedProtocols()[name]}
        return (protocols - {15}) or {0}, told.TA[0] if told.TA and told.TA[0] is not None else 0x11
    except Exception:  # any error of that parser means the same: the ATR is unknown to it
        return None


def judge(tap, parser, lines):
    atrs = [atr for _, found in lines for atr in found]
    answers = look(atrs)
    tap.case("each ATR has an answer", len(answers) == len(atrs))
    faults = {"parse": [], "protocols": [], "TA1": [], "refused": []}
    compared = 0
    for atr, (verdict, protocols, ta1, refused) in zip(atrs, answers):
        if verdict != "ok":
            faults["parse"].append(atr.hex())
            continue
        if refused != "-":
            faults["refused"].append(f"{atr.hex()}: {refused}")
        told = independent(parser, atr) if len(atr) <= ATR_MAX else None
        if told is None:
            continue
        compared += 1
        have = {t for t in range(16) if int(protocols, 16) >> t & 1}
        if have != told[0]:
            faults["protocols"].append(f"{atr.hex()}: {have}, pyscard {told[0]}")
        if int(ta1, 16) != told[1]:
            faults["TA1"].append(f"{atr.hex()}: {ta1}, pyscard {told[1]:02x}")
    print(f"# {len(lines)} lines, {len(atrs)} ATRs, {compared} compared")
    tap.case("every ATR parses", faults["parse"])
    tap.case("an ATR with a protocol of the reader is not refused", faults["refused"])
    tap.case("protocols are those of pyscard", faults["protocols"])
    tap.case("TA1 is that of pyscard", faults["TA1"])
    tap.case("pyscard can read nine ATRs of ten", compared * 10 >= len(atrs) * 9)


def show_that_rules_bite(tap):
    tap.case("expansion: digits, dots, choices",
             choices("3B 6. A[FE] 0[0-2] 4[4,9]") == ["3", "B", "6", HEX, "A", "FE", "0", "012", "4", "49"])
    tap.case("expansion: other lines are refused", choices("3B (00|11)") is None and choices("3B 0") is None)
    tap.case("expansion: an open check byte is computed",
             bytes.fromhex("3b80800101") in expand(choices("3B 80 80 01 ..")))


def main():
    path = next((p for p in LISTS if p and os.path.exists(p)), None)
    if path is None:
        print("1..0 # SKIP pcsc-tools' smartcard_list.txt is not installed")
        return
    parser = pyscard()
    if parser is None:
        print("1..0 # SKIP python3-pyscard is not installed")
        return
    tap = Tap()
    show_that_rules_bite(tap)
    lines, unknown = read_list(path)
    tap.case("every line of the list is understood", unknown)
    judge(tap, parser, lines)
    tap.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads readers/: every line is well formed, sorted and unique, and every reader has a
descriptor row. Every rule must also find the fault in a text made to break it."""

import os
import re

from tap import Tap

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))
OFFERED = ("supported", "should_work", "partly_working")
STATES = OFFERED + ("disabled", "also_sold_as")
LINE = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4}):(\S.*\S)")

# Readers with no descriptor row, each with the reason. udev gives them to pcscd by their ids, as their interface class
# is not known to this file.
NO_DUMP = {
    "listed by libccid 1.8.4; no dump at hand": """
    076b:5520 076b:5521 076b:5522 08e6:34c8 0a5c:5884 0a5c:5885 0a5c:5886 0a5c:5887 0a89:0035
    1370:0911 1e0d:0014
""",
    "listed by acsccid 1.1.13; no dump at hand": """
    072f:0100 072f:0102 072f:0103 072f:0901 072f:1205 072f:1206 072f:1280 072f:2203 072f:2206
    072f:2207 072f:2208 072f:220a 072f:220f 072f:2213 072f:2214 072f:2217 072f:2218 072f:2219
    072f:221b 072f:2220 072f:2223 072f:2229 072f:222b 072f:222c 072f:222d 072f:222e 072f:2232
    072f:2233 072f:2234 072f:2235 072f:2236 072f:2237 072f:2238 072f:2239 072f:2244 072f:224a
    072f:224f 072f:2250 072f:2252 072f:2258 072f:225b 072f:225f 072f:2307 072f:230a 072f:230b
    072f:2401 072f:8205 072f:8207 072f:8301 072f:8302 072f:8306 072f:8307 072f:8900 072f:8901
    072f:8902 072f:90d8 072f:b101 072f:b102 072f:b103 072f:b104 072f:b10c 072f:b113 072f:b114
    072f:b116 072f:b117 072f:b200 072f:b301 072f:b304 072f:b305
""",
    "listed by acsccid 1.1.13: the reader while its firmware is upgraded; no dump at hand": """
    072f:220c 072f:223d 072f:225c 072f:226a 072f:2300 072f:2302 072f:2306 072f:2309 072f:2400
    072f:b500 072f:b504 072f:b505
""",
    "listed by acsccid 1.1.13: bInterfaceClass is 0x00 (test_usb_find: class_00); no dump at hand": """
    072f:2011 072f:2100 072f:2211 072f:2215 072f:2242 072f:90d2
""",
}
NO_DESCRIPTOR = {ident: reason for reason, idents in NO_DUMP.items() for ident in idents.split()}

# The types of cells in readers/columns.def.
TYPES = {
    "NAME": r"[^\s\x00-\x1f\x7f]+", "TEXT": r".*", "BCD": r"[0-9A-Fa-f]{1,2}\.[0-9A-Fa-f]{1,2}",
    "ID": r"[0-9a-f]{%d}", "HEX": r"0x[0-9A-F]{%d}", "DEC": r"0|[1-9]\d*", "LIST": r"((0|[1-9]\d*)(,(0|[1-9]\d*))*)?",
}


def columns():
    """readers/columns.def as [(name, type, bytes, values)]."""
    found = re.findall(r'^COLUMN\((\w+), (\w+), (\d), "([^"]*)", "\w+"\)$', read("columns.def"), re.M)
    return [(name, kind, int(size), values.split()) for name, kind, size, values in found]


def cell_fault(column, text):
    """The fault of a cell, or ""."""
    name, kind, size, values = column
    pattern = TYPES[kind] % (2 * size) if "%d" in TYPES[kind] else TYPES[kind]
    if not re.fullmatch(pattern, text) or values and text not in values:
        return f"{name} is {text!r}"
    if kind in ("DEC", "LIST") and any(int(each) >= 1 << 8 * size for each in text.split(",") if each):
        return f"{name} is {text!r}: more than {size} bytes hold"
    return ""


def parse(text):
    """The list as [(line number, state, id, name)], and the faults of its form."""
    rows, faults, state = [], [], None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#: "):
            state = line[3:]
            if state not in STATES:
                faults.append(f"line {number}: unknown state {state}")
        elif line == "" or line.startswith("#"):
            continue
        else:
            match = LINE.fullmatch(line)
            if not match or state is None:
                faults.append(f"line {number}: not vvvv:pppp:name in a section: {line!r}")
            else:
                rows.append((number, state, f"{match[1]}:{match[2]}", match[3]))
    return rows, faults


def form(text):
    faults = parse(text)[1]
    if not text.endswith("\n"):
        faults.append("no line end at the end")
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"[\x00-\x1f\x7f]", line):
            faults.append(f"line {number}: control character")
        if line != line.rstrip():
            faults.append(f"line {number}: blank at the end")
    return faults


def sections(text):
    found = re.findall(r"^#: (.*)$", text, re.M)
    return [] if found == list(STATES) else [f"sections are {found}"]


def order(text):
    faults, last = [], None
    for number, state, ident, name in parse(text)[0]:
        key = (STATES.index(state), ident, name.encode()) if state in STATES else None
        if last is not None and key is not None and key < last:
            faults.append(f"line {number}: {ident} {name} stands too late")
        last = key
    return faults


def duplicates(text):
    faults, ids, names = [], {}, {}
    for number, state, ident, name in parse(text)[0]:
        if state != "also_sold_as" and ident in ids:
            faults.append(f"line {number}: {ident} is listed in line {ids[ident]} too")
        if (ident, name) in names:
            faults.append(f"line {number}: the same as line {names[ident, name]}")
        if state != "also_sold_as":
            ids[ident] = number
        names[ident, name] = number
    return faults


def further_names(text):
    rows = parse(text)[0]
    ids = {row[2] for row in rows if row[1] in OFFERED}
    return [f"line {row[0]}: {row[2]} is not offered under another name"
            for row in rows if row[1] == "also_sold_as" and row[2] not in ids]


def described(text, table):
    have = {(f"{row['idVendor']}:{row['idProduct']}") for row in table}
    faults = [f"line {row[0]}: {row[2]} has no row in reader_descriptors.tsv"
              for row in parse(text)[0] if row[2] not in have and row[2] not in NO_DESCRIPTOR]
    known = {row[2] for row in parse(text)[0]}
    faults += [f"{ident} is described but not listed" for ident in sorted(have - known)]
    faults += [f"{ident} needs no reason any more" for ident in NO_DESCRIPTOR if ident in have or ident not in known]
    return faults


def table_form(text):
    faults, lines = [], text.rstrip("\n").split("\n")
    head = lines[0].split("\t")
    typed = columns()
    if head != [column[0] for column in typed]:
        return [f"the columns are not those of columns.def: {head}"]
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(head):
            faults.append(f"line {number}: {len(cells)} columns, not {len(head)}")
            continue
        faults += [f"line {number}: {fault}" for fault in map(cell_fault, typed, cells) if fault]
    return faults


def rows_of(text):
    lines = text.rstrip("\n").split("\n")
    head = lines[0].split("\t")
    return [dict(zip(head, line.split("\t"))) for line in lines[1:]]


def read(name):
    with open(os.path.join(TOP, "readers", name), encoding="utf-8", newline="\n") as file:
        return file.read()


def show_that_rules_bite(tap, table):
    """Each rule must find the fault in a text made to break it."""
    head = "\n".join(f"#: {state}" for state in STATES[:2])
    good = "#: supported\n03f0:0824:A reader\n03f0:0825:B\u00e9 reader\n"
    bad = {
        "short id": (form, "#: supported\n3f0:0824:A reader\n"),
        "upper-case id": (form, "#: supported\n03F0:0824:A reader\n"),
        "no name": (form, "#: supported\n03f0:0824:\n"),
        "no section": (form, "03f0:0824:A reader\n"),
        "unknown state": (form, "#: doubtful\n03f0:0824:A reader\n"),
        "control character": (form, "#: supported\n03f0:0824:A\treader\n"),
        "blank at the end": (form, "#: supported\n# note \n"),
        "no line end": (form, good[:-1]),
        "missing section": (sections, head),
        "unsorted": (order, "#: supported\n03f0:0825:A reader\n03f0:0824:B reader\n"),
        "an id twice": (duplicates, "#: supported\n03f0:0824:A rd\n#: disabled\n03f0:0824:B rd\n"),
        "a name of nothing": (further_names, "#: also_sold_as\n03f0:0824:A reader\n"),
    }
    tap.case("rules: a good text passes", form(good) + order(good) + duplicates(good))
    for name, (rule, text) in bad.items():
        tap.case(f"rules: {name} is found", bool(rule(text)))
    tap.case("rules: a reader without descriptor is found",
             bool(described("#: supported\nffff:0001:No such\n", table)))
    typed = {column[0]: column for column in columns()}
    tap.case("rules: columns.def is read whole", len(typed) == read("columns.def").count("\nCOLUMN("))
    for name, text in (("dwDefaultClock_kHz", "4.000"), ("bInterfaceClass", "echo"), ("bClassEnvelope", "echo"),
                       ("bInterfaceClass", "0x0C"), ("bNumClockSupported", "256"), ("clocks_kHz", "4000,"),
                       ("bcdDevice", "116"), ("idVendor", "072F"), ("dwFeatures", "0x30"), ("dump", "")):
        tap.case(f"rules: {name} {text!r} is found", bool(cell_fault(typed[name], text)))
    tap.case("rules: a bad cell is found",
             bool(table_form(read("reader_descriptors.tsv").replace("0x0B", "11", 1))))
    tap.case("rules: a missing column is found",
             bool(table_form(read("reader_descriptors.tsv").replace("072f\t", "072f", 1))))


def main():
    tap = Tap()
    try:
        text, table_text = read("supported_readers.txt"), read("reader_descriptors.tsv")
        tap.case("encoding is UTF-8", True)
    except UnicodeDecodeError as error:
        tap.case("encoding is UTF-8", [str(error)])
        tap.finish()
    table = rows_of(table_text)
    tap.case("supported_readers.txt: form", form(text))
    tap.case("supported_readers.txt: sections", sections(text))
    tap.case("supported_readers.txt: order", order(text))
    tap.case("supported_readers.txt: duplicates", duplicates(text))
    tap.case("supported_readers.txt: further names", further_names(text))
    tap.case("supported_readers.txt: every reader is described, and no other",
             described(text, table))
    tap.case("reader_descriptors.tsv: form", table_form(table_text))
    show_that_rules_bite(tap, table)
    tap.finish()


if __name__ == "__main__":
    main()

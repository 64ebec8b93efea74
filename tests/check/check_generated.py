#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Are the Info.plist and the udev rules that were made from readers/ right for pcscd and udev?"""

import os
import plistlib
import re
import subprocess

from check_readers import OFFERED, TOP, parse, read, rows_of
from tap import Tap

BUILD = os.environ.get("top_builddir", ".")
AWK = os.environ.get("AWK", "awk")


def generated(name):
    with open(os.path.join(BUILD, "readers", name), "rb") as file:
        return file.read()


def make_plist(list_text):
    """Runs the generator on another list, from standard input."""
    top = os.path.join(TOP, "readers")
    return subprocess.run(
        [AWK, "-v", "library=a.so", "-v", "class=C", "-v", "version=1", "-f",
         os.path.join(top, "make_plist.awk"), "-", os.path.join(top, "Info.plist.in")],
        input=list_text.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)


def check_arrays(tap, plist, rows):
    want = [(row[2], row[3]) for row in rows if row[1] in OFFERED]
    arrays = [plist.get(key, []) for key in ("ifdVendorID", "ifdProductID", "ifdFriendlyName")]
    tap.case(f"Info.plist: three arrays of {len(want)}",
             [f"length {len(a)}" for a in arrays if len(a) != len(want)])
    have = [(f"{int(v, 16):04x}:{int(p, 16):04x}", n) for v, p, n in zip(*arrays)]
    tap.case("Info.plist: ids and names are exactly those of the list",
             [f"{h} is not {w}" for h, w in zip(have, want) if h != w])
    ids = [row[0] for row in have]
    tap.case("Info.plist: every id is there once", len(ids) == len(set(ids)))


def check_plist(tap, rows):
    data = generated("Info.plist")
    try:
        plist = plistlib.loads(data)
        tap.case("Info.plist: well formed", True)
    except Exception as error:  # any parser's error is the same fault here
        tap.case("Info.plist: well formed", [str(error)])
        return
    check_arrays(tap, plist, rows)
    tap.case("Info.plist: the keys that pcscd reads",
             [key for key in ("CFBundleExecutable", "CFBundleName", "ifdManufacturerString",
                              "ifdProductString", "ifdCapabilities", "ifdLogLevel",
                              "ifdDriverOptions") if not isinstance(plist.get(key), str)])
    tap.case("Info.plist: names this library", plist.get("CFBundleExecutable") == "libccid.so")
    tap.case("Info.plist: nothing left to fill in", not re.search(rb"@[A-Z_]+@", data))


def check_generator(tap):
    made = make_plist("#: supported\n0001:0002:a & b <c> \"d\" 'e' \\1 &amp;\n"
                      "#: disabled\n0003:0004:not this\n")
    names = plistlib.loads(made.stdout)["ifdFriendlyName"]
    tap.case("generator: special characters of XML are escaped",
             [] if names == ["a & b <c> \"d\" 'e' \\1 &amp;"] else [repr(names)])
    tap.case("generator: refuses an empty list", make_plist("# nothing\n").returncode != 0)


def quirk_rows():
    """quirks.def as [((vendor, product), text of the row)]."""
    with open(os.path.join(TOP, "src", "quirks", "quirks.def"), encoding="utf-8") as file:
        rows = re.split(r"^(?=QUIRK\(|TOO_OLD\()", re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S), flags=re.M)[1:]
    return [(re.match(r"\w+\((?:0x)?(\w+), (?:0x)?(\w+)", row).groups(), row) for row in rows]


def check_quirk_ids(tap, rows):
    """A reader with a quirk is offered, or becomes a reader by a switch command."""
    known = {row[2] for row in rows}
    tap.case("quirks.def: every id is in the list",
             [f"{v}:{p} is not listed" for (v, p), row in quirk_rows()
              if "ANY" not in (v, p) and f"{v}:{p}" not in known and "STARTED_BY_SWITCH" not in row])
    vendors = {ident[:4] for ident in known}
    tap.case("quirks.def: every vendor is in the list",
             [f"{v} is not listed" for (v, p), row in quirk_rows()
              if v not in vendors | {"ANY"} and "STARTED_BY_SWITCH" not in row])


def check_rules(tap, rows):
    text = generated("92_pcscd_ccid.rules").decode()
    offered = {row[2] for row in rows if row[1] in OFFERED}
    table = rows_of(read("reader_descriptors.tsv"))
    want = {f"{row['idVendor']}:{row['idProduct']}" for row in table if row["bInterfaceClass"] == "0xFF"} & offered
    want |= offered - {f"{row['idVendor']}:{row['idProduct']}" for row in table}
    have = {f"{v}:{p}" for v, p in re.findall(
        r'^ATTR{idVendor}=="(\w+)", ATTR{idProduct}=="(\w+)", ENV{IFD_CCID_READER}', text, re.M)}
    tap.case("rules: every offered reader of class ff or of unknown class, and no other",
             sorted(have.symmetric_difference(want)))
    tap.case("rules: classes 0b00, 0b01, 0b02",
             [c for c in ("0b0000", "0b0001", "0b0002") if f'=="*:{c}:*"' not in text])
    labels = re.findall(r'LABEL="(\w+)"', text)
    tap.case("rules: every GOTO has its LABEL",
             [g for g in re.findall(r'GOTO="(\w+)"', text) if g not in labels])
    awake = set(re.findall(r'^ATTR{idVendor}=="(\w+)", ATTR{idProduct}=="(\w+)", GOTO', text, re.M))
    switched = set(re.findall(r'^ACTION=="add", ATTR{idVendor}=="(\w+)", ATTR{idProduct}=="(\w+)", ', text, re.M))
    for name, flag, have in (("no autosuspend", "NO_AUTOSUSPEND", awake), ("a switch", "STARTED_BY_SWITCH", switched)):
        want = {ident for ident, row in quirk_rows() if flag in row}
        tap.case(f"rules: {name} for the readers of quirks.def, and no other",
                 sorted(want.symmetric_difference(have)) or bool(want))
    tap.case("rules: no mode is set", not re.search(r"\bMODE\b", text))
    tap.case("rules: nothing left to fill in", not re.search("@[A-Z_]+@", text))


def main():
    tap = Tap()
    rows = parse(read("supported_readers.txt"))[0]
    check_plist(tap, rows)
    check_generator(tap)
    check_rules(tap, rows)
    check_quirk_ids(tap, rows)
    tap.finish()


if __name__ == "__main__":
    main()

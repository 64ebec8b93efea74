#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recipes of HACKING.md, followed word for word in a copy of the tree: the indented lines are typed in."""

import glob
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile

from tap import Tap

TOP = os.path.abspath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", "..")))
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
HERE = os.path.join(TOP, "tests", "check")
MADE = ("readers/Info.plist", "readers/92_pcscd_ccid.rules", "doc/readers.md", "doc/quirks.md")
NEW = "1234:5678:Example Card Reader 2"


def read(*path):
    with open(os.path.join(*path), encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def recipe(title):
    """The commands of a section of HACKING.md."""
    section = re.search(rf"^## {title}.*?\n(.*?)(?=^## |\Z)", read(TOP, "HACKING.md"), re.M | re.S)
    return re.findall(r"^    (\S.*?)(?:\s+#.*)?$", section[1] if section else "", re.M)


def left_out(folder, names):
    """Of the top folder: build folders, and what belongs to git and autoconf; of every folder: objects."""
    top = [n for n in names if n in ("build", ".git", "autom4te.cache") or
           os.path.exists(os.path.join(TOP, n, "config.status")) or n.startswith("_")] if folder == TOP else []
    return top + [n for n in names if n.endswith((".o", ".lo")) or n in (".libs", ".deps", "__pycache__")]


def copy_of_the_tree(folder):
    """The tree, with a build folder that has the programs and the Makefile of this build."""
    shutil.copytree(TOP, folder, ignore=left_out, symlinks=True)
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)      # a package that is being tested may be read-only
    os.makedirs(made_in(folder))
    shutil.copy(os.path.join(BUILD, "Makefile"), made_in(folder))
    if os.access(os.path.join(BUILD, "ccid-parse"), os.X_OK):
        os.symlink(os.path.join(BUILD, "ccid-parse"), os.path.join(made_in(folder), "ccid-parse"))


def made_in(folder):
    return os.path.join(folder, "build", "my")


def make_and_check(folder):
    """What make check says of the copy: make writes again what is made from readers and quirks, without configure."""
    free = {name: "" for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    faults = passes(made_in(folder), os.environ.get("MAKE", "make"), "-s", "-o", "Makefile",
                    *(f"{name}={folder}" for name in ("srcdir", "top_srcdir", "VPATH")), *MADE, **free)
    for check in ("check_readers", "check_docs", "check_generated", "check_lists"):
        code, said = run(folder, sys.executable, os.path.join("tests", "check", check + ".py"), top_srcdir=folder,
                         top_builddir=made_in(folder))
        faults += [f"{check}.py: {line}" for line in said.split("\n") if not re.match(r"ok |1\.\.", line)] if code else []
    return faults


def run(folder, *command, **variables):
    """Exit code and output of a command in the copy."""
    env = {**os.environ, "top_srcdir": folder, **variables}
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def passes(folder, *command, **variables):
    code, said = run(folder, *command, **variables)
    return [] if code == 0 else [f"exit code {code}", *said.split("\n")]


def check_nothing_built(tap, folder, dump):
    """add-reader in a fresh clone: there is no ccid-parse."""
    built, away = (os.path.join(folder, name) for name in ("build", "build.away"))
    os.rename(built, away)
    code, said = run(folder, sys.executable, os.path.join("tools", "add-reader"), dump, PATH=HERE, CCID_PARSE="")
    os.rename(away, built)
    tap.case("reader: without ccid-parse one line says what to do",
             [] if code and said.count("\n") == 1 and "add-reader: there is no ccid-parse" in said else said.split("\n"))


def check_reader(tap, folder):
    typed = recipe("Add a reader")
    tap.case("reader: one command, and make check",
             [] if [line.split()[0] for line in typed] == ["tools/add-reader", "make"] else typed)
    if not os.access(os.path.join(BUILD, "ccid-parse"), os.X_OK):
        tap.skip("reader: followed word for word", "ccid-parse is not built")
        return
    dump = typed[0].split()[1]
    with gzip.open(os.path.join(folder, dump), "wt", encoding="utf-8") as file:
        file.write(read(HERE, "newcomer", "reader.txt"))
    check_nothing_built(tap, folder, dump)
    tap.case(f"reader: {typed[0]}", passes(folder, *typed[0].split()))
    tap.case("reader: it is in the list", f"\n{NEW}\n" in read(folder, "readers", "supported_readers.txt"))
    rows = [line for line in read(folder, "readers", "reader_descriptors.tsv").split("\n") if "\t1234\t5678\t" in line]
    tap.case("reader: each interface is in the table", [] if len(rows) == 2 else [f"{len(rows)} rows", *rows])
    tap.case("reader: make check accepts it", make_and_check(folder))
    plist = run(folder, os.environ.get("AWK", "awk"), "-v", "library=a.so", "-v", "class=C", "-v", "version=1", "-f",
                "readers/make_plist.awk", "readers/supported_readers.txt", "readers/Info.plist.in")
    tap.case("reader: Info.plist offers it", "<string>Example Card Reader 2</string>" in plist[1])
    table = os.path.join(folder, "readers", "reader_descriptors.tsv")
    if os.access(os.path.join(BUILD, "ccid-sim"), os.X_OK):
        names = run(folder, os.path.join(BUILD, "ccid-sim"), "names", "readers", CCID_SIM_TABLE=table)
        tap.case("reader: the simulator can be it", "1234:5678" in names[1])
    code, said = run(folder, *typed[0].split())
    tap.case("reader: adding it again is refused", [] if code and "already" in said else [said])
    with gzip.open(os.path.join(folder, dump), "wt", encoding="utf-8") as file:
        file.write("a text of something else\n")
    tap.case("reader: a file that is not from ccid-parse is refused",
             run(folder, *typed[0].split())[0] != 0 and NEW in read(folder, "readers", "supported_readers.txt"))


def insert(path, line, before):
    """Puts a line before the first one that matches."""
    text = read(path)
    at = re.search(before, text, re.M).start()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[:at] + line + "\n" + text[at:])


def flags_of_example(folder):
    """The flags that the driver of the copy gives to 1234:5678, printed by a program. Of src/util the program lacks the
    reader of plists, and the functions of a port with one thread, which replace the ones of port_posix.c."""
    flags = [f"-I{folder}/src", *os.environ.get("CHECK_CPPFLAGS", "").split()]
    util = os.path.join(folder, "src", "util")
    sources = [os.path.join(folder, "src", "quirks", "quirks.c"),
               *(os.path.join(util, name) for name in os.listdir(util) if re.fullmatch(r"(?!plist|port_single)\w+\.c", name))]
    program = os.path.join(folder, "quirk")
    code, said = run(folder, *os.environ.get("CC", "cc").split(), *flags, "-o", program,
                     os.path.join(HERE, "newcomer", "quirk.c"), *sources, os.path.join(HERE, "pcscd_log.c"), "-lpthread")
    return run(folder, program)[1] if code == 0 else said


def check_quirk(tap, folder):
    typed = [line.split(": ", 1) for line in recipe("Add a quirk") if line.startswith("src/")]
    tap.case("quirk: a new flag is two lines",
             [] if [path for path, _ in typed] == ["src/quirks/quirks.h", "src/quirks/quirks.def"] else [str(typed)])
    before = flags_of_example(folder)
    tap.case("quirk: without the row the reader has no quirk", [] if before == "max-length-270: " + before[16:] else [before])
    (flag_file, flag), (row_file, row) = typed
    insert(os.path.join(folder, flag_file), f"\t{flag} \\", r"^\tX\(MAX_LENGTH_270")
    insert(os.path.join(folder, row_file), row, r"^QUIRK\(0x1d50")
    after = flags_of_example(folder)
    tap.case("quirk: with the row the driver has the flag for the reader",
             [] if "needs-a-nudge: a second power on after the first answer\n" in after else [after])
    tap.case("quirk: make check accepts it", make_and_check(folder))
    page = read(made_in(folder), "doc", "quirks.md")
    tap.case("quirk: flag and reader are in the document", [] if "| 1234:5678 |  | Example: sleeps | `needs-a-nudge` | seen |" in page
             and "| `needs-a-nudge` | a second power on after the first answer |" in page else page.split("\n")[:5])


def check_way(tap):
    """Every step of an APDU is in the file that HACKING.md names, and the files of earlier steps call the function."""
    steps = [re.match(r"(src/\S+\.c): (\w+)", line) for line in recipe("The path of an APDU")]
    tap.case("APDU: from pcscd to libusb and back", [] if len(steps) > 8 and all(steps) else [str(steps)])
    above = ""
    for file, name in (step.groups() for step in steps if step):
        text = read(TOP, file)
        short = name.split("_")[-1]         # in a table usb_start is .start
        tap.case(f"APDU: {name}() is in {file}",
                 bool(re.search(rf"^(?!\s)[^;{{}}]*\b{name}\([^;]*?\)\n\{{", text, re.M)))
        if above:
            tap.case(f"APDU: {name}() is called by an earlier step",
                     bool(re.search(rf"\b{name}\b|->{short}\(", above + text)))
        above += text


def build_and_run(folder, objects):
    """tests/unit/driver/test_hostile.c of the copy, with the copy's simulator; only missing objects are compiled."""
    flags = [f"-I{folder}", f"-I{folder}/tests", f"-I{folder}/src", *os.environ["CHECK_CPPFLAGS"].split(),
             f'-DTOP_SRCDIR="{folder}"', f'-DCCID_SIM_TABLE="{folder}/readers/reader_descriptors.tsv"']
    driver = os.path.join(folder, "tests", "unit", "driver")
    sources = [*glob.glob(os.path.join(folder, "sim", "model", "*.c")), os.path.join(TOP, "sim", "host", "usbip_link.c"),
               *glob.glob(os.path.join(folder, "tests", "fake", "fake_libusb*.c")), os.path.join(driver, "driver_fixture.c"),
               os.path.join(driver, "test_hostile.c")]
    for source in sources:
        name = os.path.join(objects, os.path.basename(source) + ".o")
        if not os.path.exists(name) or os.path.getmtime(name) < os.path.getmtime(source):
            code, said = run(folder, *os.environ.get("CC", "cc").split(), *flags, "-w", "-c", "-o", name, source)
            if code != 0:
                return code, said
    program = os.path.join(objects, "test_hostile")
    code, said = run(folder, *os.environ.get("CC", "cc").split(), "-o", program, *glob.glob(os.path.join(objects, "*.o")),
                     os.path.join(BUILD, ".libs", "libccid-all.a"), "-lcmocka", "-lusb-1.0", "-lpthread")
    return run(folder, program, CMOCKA_TEST_FILTER="row_05_lengths_that_lie") if code == 0 else (code, said)


def check_fault(tap, folder):
    typed = [line.split(": ", 1) for line in recipe("Add a fault")]
    tap.case("fault: a test, a row, a function and its lines in the manual page",
             [] if [os.path.basename(path) for path, _ in typed] ==
             ["test_hostile.c"] + 3 * ["sim_fault_kinds.c"] + 3 * ["ccid-sim.1"] else typed)
    (test, test_row), (kinds, kind_row), (_, head), (_, body), *page = typed
    insert(os.path.join(folder, test), "\t\t" + test_row, r"^\t\t\{ \"length-more\", BAD")
    ready = os.path.exists(os.path.join(BUILD, "tests", "unit", "driver", "test_hostile"))
    objects = os.path.join(folder, "objects")
    os.mkdir(objects)
    if ready:
        code, said = build_and_run(folder, objects)
        tap.case("fault: the test fails without it",
                 [] if code and "FAIL: " in said or "no-body" in said and code else said.split("\n"))
    insert(os.path.join(folder, kinds), f"{head}\n{body}", r"^/\* --- the table --- \*/")
    insert(os.path.join(folder, kinds), "\t" + kind_row, r"^\t\{ \"length-more\", 0")
    tap.case("fault: make check finds that it is not in the manual page", "every fault of readers" in "".join(make_and_check(folder)))
    insert(os.path.join(folder, page[0][0]), "\n".join(text for _, text in page), r"^\.TP\n\.B length-more\n")
    tap.case("fault: make check accepts it", make_and_check(folder))
    if ready:
        code, said = build_and_run(folder, objects)
        tap.case("fault: the test passes with it", [] if code == 0 else said.split("\n"))
    else:
        tap.skip("fault: the test fails without it, and passes with it", "test_hostile is not built")


def main():
    tap = Tap()
    check_way(tap)
    with tempfile.TemporaryDirectory() as above:
        folder = os.path.join(os.path.realpath(above), "ifd-ccid")
        copy_of_the_tree(folder)
        tap.case("the copy of the tree passes the checks", make_and_check(folder))
        for check, file, example in ((check_reader, "readers/supported_readers.txt", NEW),
                                     (check_quirk, "src/quirks/quirks.h", "NEEDS_A_NUDGE"),
                                     (check_fault, "sim/model/sim_fault_kinds.c", '"no-body"')):
            if example in read(TOP, file):
                tap.skip(f"{file}: the recipe is followed", "the recipe's example was added to this tree")
            else:
                check(tap, folder)
    tap.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Are the documents right? Links and files, options of configure, log lines, variables, flags and exit codes are
compared with the sources; manual pages are formatted without a warnings; generated documents are complete."""

import glob
import os
import re
import shutil
import subprocess

import makefiles
from tap import Tap

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("top_builddir", ".")
PAGES = ("README.md", "HACKING.md", "SECURITY.md", "doc/install.md", "doc/troubleshooting.md", "doc/from-libccid.md",
         "doc/recipes.md", "doc/scardcontrol.md", "doc/test-your-program.md",
         "examples/README.md", "contrib/recipes/README.md", "tests/bench/README.md", "contrib/debian/README.packaging.md")
# Scripts that configure the driver for tests.
TRIERS = ("run-tests", "tests/check/check_install.sh", "tests/tests.am", "tests/fuzz/run", "tests/package/reproducible.sh", "contrib/debian/rules")
MADE = {"doc/readers.md", "doc/quirks.md"}


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()


def exists(name):
    return os.path.exists(os.path.join(TOP, name))


def strings_of(text):
    """The string literals of C, with neighbours joined, and escapes and conversions as printed."""
    joined = re.sub(r'"\s*\n?\s*"', "", text)
    return [s.replace('\\"', '"') for s in re.findall(r'"((?:\\.|[^"\\\n])*)"', joined)]


def anchors(text):
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.M)}


def dead_links(page, text):
    faults = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        if not exists(target) and target not in MADE:
            faults.append(f"{page}: {link}: no such file")
        elif anchor and anchor not in anchors(text if target == page else read(target)):
            faults.append(f"{page}: {link}: no such heading")
    return faults


def unsaid_lines(readme, literals):
    """Quotations in the column "what the log says" that are in no source."""
    table = readme.partition("what the log says")[2].partition("\n\n")[0]
    quotes = [q for row in table.split("\n")[1:] if row.count("|") > 3
              for q in re.findall(r"`([^`]+)`", row.split("|")[2])]
    faults = []
    for quote in quotes:
        # Any text may stand for the parts that the driver fills in.
        pieces = [p for p in re.split(r"/dev/\S+|Info\.plist|0xFE|PC_to_RDR_\w+", quote)
                  if p.strip(" :.")]
        for piece in pieces:
            if not any(piece.strip(" .") in literal for literal in literals):
                faults.append(f'"{quote}": the sources do not have "{piece}"')
    return faults if len(quotes) > 10 else ["the table is not found"]


def options_of(configure):
    names = re.findall(r"IFD_SWITCH\(\[([\w-]+)\]", configure) + \
        re.findall(r"AC_ARG_(?:ENABLE|WITH)\(\[([\w-]+)\]", configure)
    return sorted(set(names) - {"$1"})


def untried(options, scripts):
    code = "".join(re.sub(r"^\s*#.*", "", script, flags=re.M) for script in scripts)
    return sorted(set(options) - set(re.findall(r"--(?:enable|disable|with)-([\w-]+)", code)))


def check_options(tap, readme, install, configure):
    told, short = (set(re.findall(r"--(?:enable|disable|with)-([\w-]+)", page)) for page in (install, readme))
    real = set(options_of(configure))
    tap.case("install.md: every option of configure", sorted(real - told))
    tap.case("install.md, README: configure has every option that they name", sorted((told | short) - real))
    tap.case("every option of configure is tried by a script",
             untried(real, [read(name) for name in TRIERS if exists(name)]))


def formatted(page):
    """The complaints of man and mandoc."""
    faults = []
    if shutil.which("man"):
        run = subprocess.run(["man", "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, text=True,
                             env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": ""})
        faults += run.stderr.split("\n")[:-1]
    if shutil.which("mandoc"):
        run = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False, text=True)
        faults += [line for line in run.stdout.split("\n") if line]
    return faults


def check_pages(tap, makefile):
    pages = sorted(glob.glob(os.path.join(TOP, "doc", "*.[1-8]")) + glob.glob(os.path.join(TOP, "contrib", "*.[1-8]")))
    if shutil.which("man") or shutil.which("mandoc"):
        for page in pages:
            tap.case(f"{os.path.relpath(page, TOP)}: formatted without a warning", formatted(page))
    else:
        tap.skip("manual pages are formatted without a warning", "neither man nor mandoc is installed")
    have = {os.path.basename(page).rpartition(".")[0] for page in pages}
    programs = {os.path.basename(p) for line in re.findall(r"^s?bin_(?:PROGRAMS|SCRIPTS) \+= (.+)$", makefile, re.M)
                for p in line.split()}
    tap.case("every installed program has its manual page", sorted(programs - have))
    tap.case("every manual page is installed",
             [p for p in pages if os.path.relpath(p, TOP) not in makefile])


def secret_ins(code):
    """INS of each row of secret_commands[], as two hexadecimal digits."""
    rows = [tuple(int(word, 16) >> 16 & 0xFF for word in row)
            for row in re.findall(r"^\t\{ (0x[0-9A-F]{8}), (0x[0-9A-F]{8}) \},", code, re.M)]
    return {f"{ins:02X}" for mask, value in rows for ins in range(256) if ins & mask == value}


def check_words(tap, code):
    page = read("doc/libccid.5")
    variables = set(re.findall(r'environment\("(\w+)"\)', code))
    tap.case("libccid(5): every variable of the environment",
             sorted(v for v in variables if v not in page) if variables else ["none is found in src"])
    secret, said = secret_ins(read("src/util/log_secrets.c")), read("doc/libccid.5").partition("\n.SH SECRETS\n")[2].partition("\n.SH ")[0]
    listed = {ins for line in re.findall(r"^\.BR? ([0-9A-F][0-9A-F].*)$", said, re.M) for ins in re.findall(r"\b[0-9A-F]{2}\b", line)}
    tap.case("libccid(5): every INS whose data the log leaves out, and no other",
             sorted(secret ^ listed) if secret else ["none is found"])
    sim = read("doc/ccid-sim.1").replace("\\-", "-")
    faults = re.findall(r'^\t\{ "([a-z0-9-]+)",', read("sim/model/sim_fault_kinds.c"), re.M)
    tap.case("ccid-sim(1): every fault of readers", [f for f in faults if f".B {f}\n" not in sim] if faults else ["none is found"])


def known_faults():
    """Faults of readers, of cards, and of serial lines."""
    cards, serial = read("sim/model/card_fault.c"), read("sim/model/sim_serial.c")
    names = re.findall(r'^\t\{ "([a-z0-9-]+)",', read("sim/model/sim_fault_kinds.c") + cards, re.M)
    names += re.findall(r'^\t(?:ATR|PPS|T0|OUT|ASK)\("([a-z0-9-]+)",', cards, re.M)
    return set(names + re.findall(r'\] = "([a-z-]+)"', serial) + re.findall(r'strcmp\(spec, "(hang-up)"\)', serial))


def hostile_rows(security):
    """Number, faults, tests as (file, case), and scripts of each row."""
    table = security.partition("## Devices that break the rules")[2].partition("\n## ")[0]
    for line in re.findall(r"^\|(.*)\|$", table, re.M)[2:]:
        cells = [c.strip() for c in line.split("|")]
        tests = [(part.partition(":")[0].strip(" `"), case) for part in cells[4].split("; ")
                 for case in re.findall(r"`(\w+)`", part.partition(":")[2])]
        yield cells[0], re.findall(r"`([\w-]+)`", cells[3]), tests, re.findall(r"`([\w.]+)`", cells[5])


def is_case(text, case):
    return f"static void {case}(void **state)" in text and re.search(rf"\b(?:T|TEST|cmocka_unit_test\w*)\({case}\b", text)


def hostile_faults(rows, faults, unit, scripts):
    """Names in the rows that do not exist. unit: name to text of the unit tests; scripts: the same with pcscd."""
    wrong, numbers = [], []
    for number, named, tests, e2e in rows:
        where = f"row {number or tests[0][1]}"
        numbers += [number] if number else []
        wrong += [f"{where}: no fault {f}" for f in named if f not in faults]
        wrong += [f"{where}: no test {name}: {case}" for name, case in tests if not is_case(unit.get(name, ""), case)]
        wrong += [f"{where}: no script {s}" for s in e2e if s not in scripts]
        wrong += [] if tests else [f"{where}: no test at all"]
        armed = "".join(unit.get(name, "") for name, _ in tests) + "".join(scripts.get(s, "") for s in e2e)
        wrong += [f"{where}: no test of it arms {f}" for f in named if not re.search(rf'["=] ?{f}[ "\n]', armed)]
    least = max(28, len(numbers))
    wrong += [] if numbers == [str(n) for n in range(1, least + 1)] else [f"rows are {' '.join(numbers)}"]
    return wrong


def repaired_faults(security, unit, scripts):
    """Names in the table of repaired faults that do not exist."""
    table = security.partition("## Faults of version 1.0.0")[2].partition("\n## ")[0]
    wrong, numbers = [], []
    for line in re.findall(r"^\|(.*)\|$", table, re.M)[2:]:
        number, _, _, cell = (c.strip() for c in line.split("|"))
        numbers += [int(number)]
        named = [(part.partition(":")[0].strip(" `"), re.findall(r"`(\w+)`", part.partition(":")[2]))
                 for part in cell.split("; ")]
        wrong += [f"row {number}: no test {name}: {case}" for name, cases in named for case in cases
                  if not is_case(unit.get(name, ""), case)]
        wrong += [f"row {number}: no program {name}" for name, cases in named if not cases and name not in scripts]
    wrong += [] if numbers and numbers == sorted(set(numbers)) else [f"rows are {numbers}"]
    return wrong


def check_hostile(tap, security, makefile):
    rows = list(hostile_rows(security))
    unit = {os.path.basename(f)[:-2]: read(os.path.relpath(f, TOP))
            for f in glob.glob(os.path.join(TOP, "tests", "unit", "*", "test_*.c"))}
    scripts = {os.path.basename(f): "" for f in glob.glob(os.path.join(TOP, "tests", "check", "*.sh"))}
    for name in re.findall(r"tests/e2e/(test_\w+\.sh)", makefile):
        stem = name[5:-3]
        parts = ("tests/e2e/" + name, f"tests/e2e/{stem}.py", f"tests/e2e/readers/{stem}.sim")
        scripts[name] = "".join(read(p) for p in parts if exists(p))
    tap.case("SECURITY: faults and tests of the hostile devices exist",
             hostile_faults(rows, known_faults(), unit, scripts))
    listed = {test for row in rows for test in row[2]}
    tap.case("SECURITY: tests of the repaired faults exist", repaired_faults(security, unit, scripts))
    tap.case("SECURITY: no test of hostile devices is left out",
             [f"{name}: {case}" for name, text in unit.items() if name.startswith("test_hostile")
              for case in re.findall(r"^static void (rows?_\w+)\(void", text, re.M) if (name, case) not in listed])
    one = {"test_a": 'static void b(void **state) { "f" } TEST(b)'}
    for what, row in (("a fault", ("1", ["g"], [("test_a", "b")], [])), ("a test", ("1", ["f"], [("test_a", "c")], [])),
                      ("a file", ("1", [], [("test_b", "b")], [])), ("a script", ("1", ["f"], [("test_a", "b")], ["x.sh"]))):
        tap.case(f"rules: {what} that does not exist is found", len(hostile_faults([row], {"f"}, one, {})) > 1)
    for what, row in (("case", "| 1 | a | b | `test_a`: `c` |"), ("program", "| 1 | a | b | `x.sh` |")):
        tap.case(f"rules: a {what} of a repaired fault that does not exist is found",
                 repaired_faults(f"## Faults of version 1.0.0\n|h|\n|-|\n{row}\n", one, {}) != [])
    tap.case("rules: a row that is true passes",
             hostile_faults([(str(n), ["f"], [("test_a", "b")], []) for n in range(1, 29)], {"f"}, one, {}))


def check_made(tap):
    def made(name):
        with open(os.path.join(BUILD, "doc", name), encoding="utf-8") as file:
            return file.read()

    rows = re.findall(r"^[0-9a-f]{4}:[0-9a-f]{4}:", read("readers/supported_readers.txt"), re.M)
    have = re.findall(r"^\| [0-9a-f]{4}:[0-9a-f]{4} \|(?:[^|]|\\\|)*\|(?:[^|]*\|){5}$", made("readers.md"), re.M)
    tap.case("readers.md: a row for each reader", [] if len(rows) == len(have) else [f"{len(have)} of {len(rows)}"])
    table = read("src/quirks/quirks.def")
    rows = re.findall(r"^(?:QUIRK|TOO_OLD)\(", table, re.M)
    page, header = made("quirks.md"), read("src/quirks/quirks.h")
    have = re.findall(r"^\| (?:[0-9a-f]{4}|any):(?:[0-9a-f]{4}|any) \|(?:[^|]*\|){2}(?:(?:[^|]*\|){2})?$", page, re.M)
    tap.case("quirks.md: a row for each of the table", [] if len(rows) == len(have) else [f"{len(have)} of {len(rows)}"])
    names = re.findall(r"^\tX\((?:\w+_t|unsigned), (\w+),", header, re.M) + \
        re.findall(r"^\tX\(([A-Z]\w+),", header, re.M)
    told = re.findall(r"^\| `([\w-]+)` \|", page, re.M)
    tap.case("quirks.md: every flag and number",
             sorted({name.lower().replace("_", "-") for name in names} ^ set(told)) if names else ["none is found"])


def check_versions(tap, configure):
    version = re.search(r"AC_INIT\(\[ifd-ccid\], \[([\d.]+)\]", configure)[1]
    tap.case("ChangeLog, Debian's changelog and the spec have the version of configure.ac",
             [name for name, want in (("ChangeLog", f"Version {version} "),
                                      ("contrib/debian/changelog", f"ifd-ccid ({version}-"),
                                      ("contrib/ifd-ccid.spec", f" {version}\n")) if want not in read(name)])


def wrong_counts(readme, readers, table):
    """README's numbers of readers and of described interfaces."""
    offered = [part for part in re.split(r"^#: ", readers, flags=re.M)
               if part.startswith(("supported", "should_work", "partly_working"))]
    count = len(re.findall(r"^[0-9a-f]{4}:[0-9a-f]{4}:", "".join(offered), re.M))
    rows = table.rstrip("\n").count("\n")
    return [f"README does not say {text}: run tools/add-reader --count" for text in (f"{count} readers are listed", f"{rows} described interfaces")
            if text not in " ".join(readme.split())]


def show_that_rules_bite(tap):
    counts = ("1 readers are listed, 1 described\n interfaces", "#: supported\n0001:0002:A\n#: disabled\n0001:0003:B\n")
    tap.case("rules: counts that are right pass", wrong_counts(*counts, "head\nrow\n"))
    tap.case("rules: counts that are wrong are found", len(wrong_counts("2 readers are listed", *counts[1:], "h\n")) == 2)
    tap.case("rules: a dead link is found", bool(dead_links("README.md", "[x](doc/nothing.md)")))
    tap.case("rules: a dead anchor is found", bool(dead_links("README.md", "# One\n[x](#two)")))
    tap.case("rules: a live anchor passes", dead_links("README.md", "# One two\n[x](#one-two)"))
    table = "what the log says |\n" + "| a | `said` | b |\n" * 11
    tap.case("rules: a log line that is not in the sources is found", bool(unsaid_lines(table, ["other"])))
    tap.case("rules: a log line of the sources passes", unsaid_lines(table, ["is said so"]))
    tap.case("rules: a row of a mask is two INS", secret_ins("\t{ 0x80FE0000, 0x00200000 },\n") == {"20", "21"})
    tap.case("rules: an option that no script tries is found", untried({"one", "two"}, ["# --enable-one\n--disable-two\n"]) == ["one"])


def main():
    tap = Tap()
    configure, makefile, readme = read("configure.ac"), makefiles.makefile(), read("README.md")
    code = "".join(read(os.path.relpath(f, TOP)) for f in glob.glob(os.path.join(TOP, "src", "*", "*.[ch]")))
    pages = [page for page in PAGES if exists(page)]
    tap.case("documents: no dead link", [f for page in pages for f in dead_links(page, read(page))])
    tap.case("README: the numbers of readers are those of the lists",
             wrong_counts(readme, read("readers/supported_readers.txt"), read("readers/reader_descriptors.tsv")))
    tap.case("README: at most 110 lines", [f"{n} lines" for n in [readme.count("\n")] if n > 110])
    tap.case("README: the tested systems are those of tests/systems/tested.tsv", [] if readme == subprocess.run(
        [os.path.join(TOP, "tools/tested-table"), os.path.join(TOP, "README.md"), os.path.join(TOP, "tests/systems/tested.tsv")],
        capture_output=True, text=True, check=False).stdout else ["run tools/tested-table"])
    tap.case("troubleshooting.md: the log lines are in the sources",
             unsaid_lines(read("doc/troubleshooting.md"), strings_of(code)))
    check_options(tap, readme, read("doc/install.md"), configure)
    check_pages(tap, makefile)
    check_words(tap, code)
    check_hostile(tap, read("SECURITY.md"), makefile)
    if os.path.exists(os.path.join(BUILD, "doc", "quirks.md")):
        check_made(tap)
    else:
        tap.skip("documents that make writes", "not built here")
    check_versions(tap, configure)
    show_that_rules_bite(tap)
    tap.finish()


if __name__ == "__main__":
    main()

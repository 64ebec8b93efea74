#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The output of ./run-tests: command line, progress, counts, the list of failed cases, JUnit XML. There are three
test programs, one good, one bad, and one that does not compile, run by this build's Makefile."""

import os
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as xml

from tap import Tap

TOP = os.path.abspath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", "..")))
BUILD = os.path.abspath(os.environ.get("top_builddir", os.getcwd()))
PLACE = "tests/check/run-tests"
GOOD = 'echo "ok 1 - it works"\necho "ok 2 - another # SKIP not here"\necho 1..2\n'
BAD = ('echo "ok 1 - a good one"\necho "not ok 2 - a <bad> & \\"quoted\\" one"\necho "# why: \x01 \xc3\xa4 ]]>"\n'
       'echo 1..3\n')
FILES = {"good.sh": GOOD, "bad.sh": BAD, "uncompiled.c": "int main(void) { return nothing_of_this_name; }\n"}
PROGRAMS = ["good.sh", "bad.sh", "uncompiled"]


def environment():
    """The environment without the variables of the make and the test that run this program."""
    return {k: v for k, v in os.environ.items()
            if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CHECK_PROGRESS", "CHECK_TOTAL")}


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, errors="replace", env=environment(), **more)


def bash(script, *arguments):
    return run("bash", "-c", script, "run-tests", *arguments, cwd=TOP)


def command_line(tap):
    tests = os.path.join(TOP, "run-tests")
    for option in ("-h", "--help"):
        got = run("bash", tests, option)
        tap.case(f"{option} explains and succeeds", got.returncode == 0 and "--junit FILE" in got.stdout and
                 "ran and none failed." in got.stdout and "started_in" not in got.stdout)
    for words, named in ((["nonsense"], "nonsense"), (["gcc", "gc"], "configuration gc:"),
                         (["--nonsense"], "--nonsense"), (["-x"], "-x"), (["--junit"], "--junit"), (["-b"], "-b")):
        got = run("bash", tests, *words)
        said = got.stdout + got.stderr
        tap.case(f"{' '.join(words)}: refused by its name, in one line, exit code 2",
                 [] if got.returncode == 2 and said.count("\n") == 1 and named in said else [str(got)])


def copy_to(folder):
    """Copies the files of the tree that run-tests needs before the build."""
    for name in ("run-tests", "demo", "configure.ac", "Makefile.am"):
        os.makedirs(folder, exist_ok=True)
        shutil.copy2(os.path.join(TOP, name), folder)
    for name in ("tools", "tests/systems", "tests/machines"):
        shutil.copytree(os.path.join(TOP, name), os.path.join(folder, name))
    return folder


def where_nothing_can_be_built(tap):
    """One line says what to do, and results of an old build do not count as new."""
    with tempfile.TemporaryDirectory() as place:
        plain = copy_to(os.path.join(place, "plain"))
        spaced = copy_to(os.path.join(place, "with a blank"))
        os.symlink(spaced, os.path.join(place, "link"))
        in_place = copy_to(os.path.join(place, "in-place"))
        for name in (os.path.join(in_place, "config.status"), os.path.join(place, "file")):
            with open(name, "w", encoding="ascii"):
                pass
        no_folder = os.path.join(place, "file", "build")
        # A dpkg-query that finds every package: this test installs no package.
        os.mkdir(os.path.join(place, "bin"))
        with open(os.path.join(place, "bin", "dpkg-query"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho installed\n")
        os.chmod(file.name, 0o755)
        path = f"PATH={place}/bin:{os.environ['PATH']}"
        for what, where, words, advice in (
                ("a path with a blank", spaced, ("run-tests",), "move the folder"),
                ("a path with a blank behind a link", place + "/link", ("run-tests",), "move the folder"),
                ("a path with a blank", spaced, ("demo",), "the demo could not run: make cannot work below"),
                ("a tree configured in place", in_place, ("run-tests",), "make distclean"),
                ("a tree configured in place", in_place, ("demo",), "make distclean"),
                ("a folder that cannot be written", plain, ("run-tests", "-b", no_folder), "-b FOLDER")):
            got = run("env", path, "bash", *words, cwd=where)
            said = got.stdout + got.stderr
            tap.case(f"{what}: {words[0]} says in one line what to do",
                     [] if got.returncode != 0 and said.count("\n") == 1 and advice in said else [str(got)])
        got = bash("""
            id() { echo 1000; }
            command() { [ "$2" != sudo ] && builtin command "$@"; }
            dpkg-query() { return 1; }
            . tools/setup.sh
            need_packages one two""")
        tap.case("no sudo: one line says what to install", [] if got.returncode == 1 and got.stderr ==
                 "missing, and there is no sudo; as root: apt-get install one two\n" else [str(got)])


def make_programs():
    place = os.path.join(BUILD, PLACE)
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    for name, text in FILES.items():
        with open(os.path.join(place, name), "w", encoding="latin-1") as file:
            file.write(text)
    return run(os.environ.get("MAKE", "make"), "-s", "-C", BUILD, "check-each", "CHECK_PROGRESS=yes",
               "TESTS=" + " ".join(f"{PLACE}/{p}" for p in PROGRAMS), f"check_PROGRAMS={PLACE}/uncompiled",
               "check_LIBRARIES=", f"TEST_SUITE_LOG={PLACE}/suite.log")


def progress(tap, made):
    def lines(verbose):
        return subprocess.run(["awk", "-v", f"verbose={verbose}", "-f", os.path.join(TOP, "tools/progress.awk")],
                              input=made.stdout, capture_output=True, text=True, check=False).stdout.split("\n")

    quiet = lines("")
    ended = [line for line in quiet if re.fullmatch(r"\[[1-3]/3\] \S+ … \d+ s, \d failed", line)]
    tap.case("progress: a line for each program", [] if len(ended) == 3 else quiet)
    tap.case("progress: counted to the end", [] if sorted(line[:5] for line in ended) ==
             ["[1/3]", "[2/3]", "[3/3]"] else quiet)
    tap.case("progress: failures of each", [] if {re.sub(r".*/(\S+) .* (\d) failed", r"\1 \2", line) for line in ended}
             == {"good.sh 0", "bad.sh 2", "uncompiled 1"} else quiet)
    tap.case("progress: failed cases are shown", any(re.match(r"FAIL: .*bad.sh 2 ", line) for line in quiet))
    tap.case("progress: cases that pass are not", not any(line.startswith("PASS") for line in quiet))
    tap.case("progress: with verbose they are", any(line.startswith("PASS") for line in lines("1")))


def results(tap):
    place = os.path.join(BUILD, PLACE)
    got = bash("""
        . tools/results.sh
        results_begin "$1/results.tsv"
        collect one "$1" 2>/dev/null
        record two own PASS "a case of its own"
        collect_tap three kernel "$1/tap" 7
        collect_tap four kernel "$1/broken" 7
        collect_tap five kernel "$1/none" 7
        sum_up one; sum_up three; sum_up four; sum_up five
        list_failed
        write_junit "$1/junit.xml"
        echo "$passed passed, $failed failed, $skipped skipped"
        """, place)
    lines = got.stdout.split("\n")
    for want in ("one: 2 passed, 3 failed, 1 skipped", "three: 2 passed, 1 failed, 1 skipped",
                 "four: 1 passed, 1 failed, 0 skipped", "five: 0 passed, 1 failed, 0 skipped",
                 "6 passed, 6 failed, 2 skipped"):
        tap.case(f"results: {want}", [] if want in lines else lines + [got.stderr])
    failures = [line for line in lines if line.startswith("failed: ")]
    tap.case("results: each failed case is listed", [] if len(failures) == 6 else lines)
    for text, log in (("bad: 2 - a <bad> & \"quoted\" one", "bad.log"), ("was not built", "uncompiled.log")):
        at = [n for n, line in enumerate(lines) if text in line]
        path = lines[at[0] + 1].strip() if at else ""
        tap.case(f"results: {text}: with its log", [] if path.endswith(f"/failed/one/{log}") and
                 os.path.exists(path) else lines)
    return got


PARTS = """# part record
ok - record.sh: reads
# part kernel
ok - kernel.py: starts
not ok - kernel.py: works
# part machine
# kernel 6.1: 2 passed, 1 failed, 0 skipped, 9 s
"""


def again_in_parts(tap):
    """A failed part that passes alone counts as it then is; one that fails again, and the machine itself, do not."""
    def kernel(first, then, succeeds=True):
        place = os.path.join(BUILD, PLACE, "parts")
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        for name, text in (("first", first), ("then", then)):
            with open(os.path.join(place, name), "w", encoding="ascii") as file:
                file.write(text)
        got = bash("""
            . tools/results.sh; results_begin "$1/results.tsv"
            parts() { echo "$1" >"$place/asked"; cat "$place/then"; """ + str(succeeds).lower() + """; }
            place=$1; again_in_parts kernel "$1/first" parts; ls "$1" "$1"/failed
            """, place)
        with open(os.path.join(place, "first"), encoding="ascii") as file:
            return file.read(), got.stdout

    good = "# part kernel\nok - kernel.py: starts\nok - kernel.py: works\n# kernel 6.1: 2 passed, 0 failed, 0 skipped, 5 s\n"
    log, said = kernel(PARTS, good)
    tap.case("a part that passes alone: its cases count once, the other cases are kept",
             [] if re.findall("^(?:not )?ok - .*", log, re.M) == ["ok - record.sh: reads", "ok - kernel.py: starts",
                                                                  "ok - kernel.py: works"] else [log])
    tap.case("a part that passes alone: one plan, nothing failed", re.findall(" passed, .* failed", log) == [" passed, 0 failed"])
    tap.case("a part that passes alone is named, its first log kept",
             "again: kernel: kernel: passed alone" in said and "kernel-at-first.log" in said)
    tap.case("a part that fails again counts as failed", kernel(PARTS, PARTS, False)[0] == PARTS)
    broken = PARTS.replace("# part machine\n", "# part machine\nnot ok - the kernel logs no fault of its own\n")
    log, said = kernel(broken, good)
    tap.case("a failure outside of the parts is not run again", log == broken and "asked" not in said)


def junit(tap):
    path = os.path.join(BUILD, PLACE, "junit.xml")
    root = xml.parse(path).getroot()
    cases = root.findall("testsuite/testcase")
    tap.case("JUnit: every case", root.get("tests") == "14" and len(cases) == 14)
    tap.case("JUnit: failures and skips", (root.get("failures"), root.get("skipped")) == ("6", "2") and
             len(root.findall(".//failure")) == 6 and len(root.findall(".//skipped")) == 2)
    suites = {suite.get("name"): suite for suite in root}
    tap.case("JUnit: a suite for each program of each configuration",
             [] if sorted(suites) == ["five: kernel", "four: kernel", "one: bad", "one: good", "one: uncompiled",
                                      "three: kernel", "two: own"] else sorted(suites))
    tap.case("JUnit: the time of a suite", suites["three: kernel"].get("time") == "7")
    tap.case("JUnit: the sums of each suite", all(
        int(suite.get("tests")) == len(suite.findall("testcase")) and
        int(suite.get("failures")) == len(suite.findall("testcase/failure")) for suite in root))
    tap.case("JUnit: special characters in a name", any(case.get("name") == '2 - a <bad> & "quoted" one' for case in cases))
    tap.case("JUnit: the log of a failed case", "nothing_of_this_name" in suites["one: uncompiled"][0][0].text)
    if shutil.which("xmllint"):
        tap.case("JUnit: xmllint reads it", run("xmllint", "--noout", path).returncode == 0)
    else:
        tap.skip("JUnit: xmllint reads it", "xmllint is not installed")


def main():
    tap = Tap()
    command_line(tap)
    where_nothing_can_be_built(tap)
    made = make_programs()
    tap.case("make fails when a case failed", made.returncode != 0)
    place = os.path.join(BUILD, PLACE)
    for name, text in (("tap", "ok 1 - a\nok b # SKIP x\nnot ok 3 - c\nok 4\n1..4\n"), ("broken", "ok 1 - a\n"),
                       ("none", "# nothing\n1..0\n")):
        with open(os.path.join(place, name), "w", encoding="ascii") as file:
            file.write(text)
    progress(tap, made)
    results(tap)
    again_in_parts(tap)
    junit(tap)
    shutil.rmtree(place)
    tap.finish()


if __name__ == "__main__":
    main()

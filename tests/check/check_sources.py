#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The project's rules that a program can check: licence line, length of functions and files,
width, no macros that return. Every rule must also find the fault in a text made to break it."""

import os
import re
import subprocess

from tap import Tap

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))
FOLDERS = ("src", "sim", "tests", "readers", "doc", "tools", "m4", "examples", "contrib", ".ci")
FILES = ("autogen.sh", "configure.ac", "Makefile.am", "demo", "run-tests", "README.md",
         "HACKING.md", "SECURITY.md", ".clang-format", ".editorconfig")
# Files without a place for comments; NAME.license has the licence of NAME.
BARE = (".license", ".gz", ".json", ".bin", ".raw")
SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"
# The driver's functions are short; a test may be longer.
MAX_FUNCTION = {"src": 48, "else": 80}
MAX_FILE = 700
# Lines of the driver are narrow; tables of tests may be wider.
MAX_WIDTH = {"src": 100, "else": 120}
# Tables of data have no maximum length.
DATA = (".def",)


def tracked():
    """The files that git knows."""
    try:
        said = subprocess.run(["git", "-c", "safe.directory=*", "-C", TOP, "ls-files", "-z"], capture_output=True,
                              check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return set()
    return set(os.fsdecode(said).split("\0"))


def built(name):
    """True for a file that a build in the tree made: newer than the tree's configuration."""
    status = os.path.join(TOP, "config.status")
    return os.path.exists(status) and os.path.getmtime(os.path.join(TOP, name)) > os.path.getmtime(status)


def sources():
    mine = tracked()
    return [name for name in all_files() if name in mine or not built(name)]


def all_files():
    for folder in FOLDERS:
        for path, folders, files in os.walk(os.path.join(TOP, folder)):
            folders[:] = [f for f in folders if f not in ("__pycache__", ".libs", ".deps")]
            for name in sorted(files):
                if folder == "m4" and not name.startswith("ifd_"):
                    continue        # libtool writes its own files there
                if name == "plist_lex.c":
                    continue        # flex writes this file, and a release contains it
                if not re.search(r"\.(o|lo|la|a|so|pyc|log|trs|gcno|gcda)$|^\.dirstamp$", name):
                    yield os.path.relpath(os.path.join(path, name), TOP)
    for name in FILES:
        if os.path.exists(os.path.join(TOP, name)):
            yield name


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def licence(name, text):
    if name.endswith(BARE) or os.path.exists(os.path.join(TOP, name + ".license")):
        return []
    return [] if SPDX in "\n".join(text.split("\n")[:4]) else [f"{name}: no SPDX line"]


def limit(of, name):
    return of["src" if name.startswith("src/") else "else"]


def function_length(name, text):
    faults, start, most = [], None, limit(MAX_FUNCTION, name)
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > most:
                faults.append(f"{name}:{start}: {number - start - 1} lines in a function")
            start = None
    return faults


def file_length(name, text):
    lines = text.count("\n")
    return [f"{name}: {lines} lines"] if lines > MAX_FILE and not name.endswith(DATA) else []


def width(name, text):
    most = limit(MAX_WIDTH, name)
    return [f"{name}:{number}: wider than {most}"
            for number, line in enumerate(text.split("\n"), 1)
            if len(line.expandtabs(8)) > most]


def blanks(name, text):
    return [f"{name}:{number}: blank at the end"
            for number, line in enumerate(text.split("\n"), 1) if line != line.rstrip(" \t\r")]


def macros(name, text):
    """A macro that returns or jumps hides the way out of a function."""
    faults = []
    for match in re.finditer(r"^#\s*define\s(?:.*\\\n)*.*", text, re.M):
        if re.search(r"\b(return|goto)\b", re.sub(r'"(\\.|[^"\\])*"', "", match[0])):
            number = text.count("\n", 0, match.start()) + 1
            faults.append(f"{name}:{number}: a macro that returns or jumps")
    return faults


def cmocka(name, text):
    """One header hides the differences of cmocka 1.1 and 2 from the tests."""
    mine = name.endswith("unit_cmocka.h")
    return [] if mine or "#include <cmocka.h>" not in text else [f"{name}: includes <cmocka.h>, not unit/unit_cmocka.h"]


def style(name, text):
    """One way to write sizeof of an expression; a macro's argument has its parentheses."""
    code = re.sub(r"^[ \t]*#\s*define\s(?:.*\\\n)*.*", lambda m: "\n" * m[0].count("\n"), text, flags=re.M)
    return [f"{name}:{code.count(chr(10), 0, m.start()) + 1}: sizeof({m[1]}) instead of sizeof {m[1]}"
            for m in re.finditer(r"\bsizeof\((\**[a-z_]\w*(?:(?:->|\.)\w+|\[[^\]\[()]*\])*)\)(?!\s*[\[{.]|->)", code)
            if not re.match(r"\**(int|char|unsigned|long|short|void|float|double|bool|\w+_t)$", m[1])]


def show_that_rules_bite(tap):
    long_function = "void f(void)\n{\n" + "\tg();\n" * (MAX_FUNCTION["src"] + 1) + "}\n"
    bad = {
        "no licence": (licence, "int x;\n"),
        "a long function": (function_length, long_function),
        "a long file": (file_length, "\n" * (MAX_FILE + 1)),
        "a wide line": (width, "\t" * 12 + "xxxxx\n"),
        "a blank at the end": (blanks, "int x; \n"),
        "cmocka without its header": (cmocka, "#include <cmocka.h>\n"),
        "sizeof of an expression in parentheses": (style, "int x = sizeof(*y) + sizeof(uint8_t);\n"),
        "a macro that returns": (macros, "#define X(a) \\\n\tif (a) \\\n\t\treturn 1\n"),
    }
    for what, (rule, text) in bad.items():
        tap.case(f"rules: {what} is found", bool(rule("src/x.c", text)))
    tap.case("rules: what is allowed passes",
             function_length("src/x.c", long_function.replace("\tg();\n", "", 1))
             + width("src/x.c", "\t" * 12 + "xxxx\n") + licence("x.c", f"/* {SPDX} */\n") + macros("x.c", '#define X "goto"\n')
             + style("x.c", "#define N(a) (sizeof(a) \\\n / sizeof(a))\nint x = sizeof y + sizeof(int);\n"))


def main():
    tap = Tap()
    texts = {name: read(name) for name in sources()}
    code = {n: t for n, t in texts.items() if re.search(r"\.([ch]|def|l)$", n)}

    def every(rule, among):
        return [fault for name, text in among.items() for fault in rule(name, text)]

    tap.case("there are sources to read", len(code) > 30)
    tap.case("licence line in every file", every(licence, texts))
    tap.case(f"no function over {MAX_FUNCTION['src']} lines in src, {MAX_FUNCTION['else']} elsewhere", every(function_length, code))
    tap.case(f"no file over {MAX_FILE} lines", every(file_length, code))
    tap.case(f"no line over {MAX_WIDTH['src']} columns in src, {MAX_WIDTH['else']} elsewhere", every(width, code))
    tap.case("no blanks at the end of a line", every(blanks, code))
    tap.case("no macro that returns or jumps", every(macros, code))
    tap.case("sizeof of an expression has no parentheses", every(style, code))
    tap.case("tests include unit/unit_cmocka.h, not cmocka itself", every(cmocka, code))
    show_that_rules_bite(tap)
    tap.finish()


if __name__ == "__main__":
    main()

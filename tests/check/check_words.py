#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The style guide of HACKING.md, as far as a machine can read: retired words, comments that begin with a pronoun,
one static name in two files of src/. Every rule must also find a text made to break it, and pass a good text."""

import collections
import os
import re

from check_sources import read, sources
from tap import Tap

ME = os.path.join("tests", "check", "check_words.py")
# Data, and pictures of the output of programs.
NOT_PROSE = (".def", ".tsv", ".json", ".svg", ".gz", ".raw", ".bin", ".license", ".ccidlog", ".supp")
# Words to find, and the words to write instead.
RETIRED = (
    (r"\brigs?\b", "sim host, driver fixture, fuzz device or bench device"),
    (r"\b(?:floors?|stairs?)\b", "layer, baseline, threshold or minimum"),
    (r"\bhouse\b", "project"),
    (r"\banew\b", "again, or afresh"),
    (r"\b(?:mend(?:s|ed|ing)?|cures|cured|curing)\b", "repair"),
    (r"^(?!.*\b(?:even|parity)\b).*\bodd\b(?! (?:numbers?|lengths?)\b)", "damaged, unusual, unusable, unknown or wrong"),
    (r"(?<!here )\b(?:is|are|was|were) no (?!longer\b|more\b|such\b|less\b|later\b|reason\b|good\b)\w+", "is not a"),
    (r"\bhas it not\b|\bit not\b[.:,;]", "a verb with its auxiliary: does not have it"),
    (r"\b(?:knows|shows|says|takes|tells|asks|finds|sends|needs|opens|reads) not\b", "does not know, does not show, …"),
    (r"\bha(?:s|ve) not(?: (?:the|this|that|any|a|an)\b|[.:,;)])", "does not have"),
)
# Words that tests and their programs may use: for users, threads, and words of the system.
RETIRED_IN_PROSE = ((r"\b(?:every|no|any|some)body\b|\bwhoever\b", "the reader, thread, program or user that is meant"),)
PROSE = ("src/", "sim/", "doc/", "README", "HACKING", "SECURITY")
PRONOUNS = r"(?:it|its|he|him|his|she|they|them|their|we|us|these|those|who|whoever|whom|everybody|nobody|somebody|anybody)"
# The same words as parts of names: some_word, word_other, NAME.word.
IN_NAMES = r"(?:odd|rigs?|floors?|stairs?|house|anew|(?:no|some|every|any)body|whoever)"
# Verbs that say too little to be the whole name of a static function.
BARE = ("add", "end", "find", "next", "odd", "put", "run", "start", "step", "take", "tell", "say_again")
STRING = r'"(?:\\.|[^"\\\n])*"'
# The same static name in two files of src/, and why that is right.
TWICE = {
    "usage": "each program has its own",
}


def words(name, text):
    # The style guide itself names them.
    text = re.sub(r"^## Style\n.*?^(?=## )", lambda m: "\n" * m[0].count("\n"), text, flags=re.M | re.S)
    return [f"{name}:{text.count(chr(10), 0, match.start()) + 1}: '{match[0].strip()}': write {instead}"
            for pattern, instead in RETIRED + (RETIRED_IN_PROSE if name.startswith(PROSE) else ())
            for match in re.finditer(pattern, text, re.I | re.M)]


def names(name, text):
    """Retired words in the name of a file, and within the identifiers of a text."""
    parts = re.split(r"[/_.-]", name)
    faults = [f"{name}: '{part}' is in the name of the file" for part in parts if re.fullmatch(IN_NAMES, part, re.I)]
    pattern = rf"\b(?!\w*parity)(?:(?:\w*_)?{IN_NAMES}_\w*|\w*_{IN_NAMES}\b)"
    return faults + [f"{name}:{text.count(chr(10), 0, match.start()) + 1}: '{match[0]}'"
                     for match in re.finditer(pattern, text, re.I)]


def pronouns(name, text):
    """Comments that begin with a pronoun: a comment names its subject, as a person may start to read anywhere."""
    faults = []
    for match in re.finditer(STRING + r"|'(?:\\.|[^'\\\n])'|/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*", text):
        if match[0][0] == "/" and re.match(r"/[*/]+[\s*]*" + PRONOUNS + r"\b(?!-)", match[0], re.I):
            faults.append(f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0][:60]}")
    return faults


def script_pronouns(name, text):
    """The same in scripts: the first line of a comment, and the text of a function."""
    return [f"{name}:{text.count(chr(10), 0, match.end()) + 1}: {match[0].strip().split(chr(10))[-1]}" for match in
            re.finditer(r'(?:^(?![ \t]*#).*\n[ \t]*#|^[ \t]*""")[ \t]*' + PRONOUNS + r"\b(?!-)", text, re.M | re.I)]


def statics(texts):
    """Name of each static function: the files that have it."""
    found = collections.defaultdict(list)
    for name, text in texts.items():
        for match in re.finditer(r"^static\s[\w\s*]*?\b(\w+)\([^;{]*\)\s*\{", text, re.M):
            found[match[1]].append(name)
    return found


def bare(texts):
    found = statics(texts)
    return [f"{file}: {name}(): give it its module's prefix" for name in BARE for file in found[name]]


def doubled(texts, allowed):
    faults = [f"{name}: in {', '.join(files)}: give it its module's prefix"
              for name, files in sorted(statics(texts).items()) if len(set(files)) > 1 and name not in allowed]
    return faults + [f"{name}: allowed twice, and is not" for name in allowed if len(set(statics(texts)[name])) < 2]


def show_that_rules_bite(tap):
    for text in ("the fuzz rig\n", "a floor below\n", "made anew\n", "a mended fault\n", "a pad it has not:\n", "lsusb shows it not.\n", "who knows not\n",
                 "this is no block\n", "nobody waits\n"):
        tap.case(f"words: '{text.strip()}' is found", bool(words("src/x", text)))
    tap.case("words: what is allowed passes", words("src/x", "the card has not answered; newhouse; it is not a reader; there is no card, it is no more\n"))
    for name, text in (("x/test_odd.sh", ""), ("x/odd.py", ""), ("x/what-nobody-needs.sim", ""), ("x.c", "int exchange_odd(void);"),
                       ("x.py", "def odd_captures(tap):"), ("x.h", "t1_odd_block(x)"), ("x.c", "struct test_rig *r"),
                       ("x.sh", "every_floor=1")):
        tap.case(f"names: '{text or name}' is found", bool(names(name, text)))
    tap.case("names: parity and longer words pass", names("x/oddity.c", "odd_parity = is_right; drop_rights(); an odd number; nobody"))
    tap.case("words: 'an odd process', 'rates-odd' and a variable are found",
             all(words("x", text) for text in ("an odd process\n", "rates-odd\n", "odd = []\n")))
    tap.case("words: numbers may be odd", words("x", "even for T=0, odd for T=1\nodd parity\nan odd number\n"))
    tap.case("comments: a pronoun is found", all(pronouns("x.c", f"int x;\n/* {text} */\n") for text in
                                                 ("It is late.", "Those in line.", "Who may go on", "\n * they wait")))
    tap.case("comments: a noun passes", pronouns("x.c", '/* I-block */ "/* it" /* ITU, its-own */ // The reader\n'))
    tap.case("scripts: a pronoun is found", all(script_pronouns("x.py", text) for text in
                                                ("x = 1\n# It is late.\n", 'def x():\n    """Those in line."""\n')))
    tap.case("scripts: a noun, and a sentence over two lines, pass", script_pronouns("x.py", "x = 1\n# The card goes when\n# it is late.\n"))
    twice = {"src/a.c": "static int take(int x)\n{\n}\n", "src/b.c": "static int take(\n\tint y)\n{\n}\n"}
    tap.case("static names: one in two files is found", bool(doubled(twice, {})))
    tap.case("static names: a bare verb is found, one with a prefix passes",
             bool(bare(twice)) and not bare({"src/a.c": "static int bulk_take(int x)\n{\n}\n"}))
    tap.case("static names: an exception without need is found", bool(doubled({}, {"take": ""})))
    tap.case("static names: prototypes and exceptions pass", doubled({**twice, "src/c.c": "static int put(int);\n"}, {"take": ""}))


def main():
    tap = Tap()
    texts = {name: read(name) for name in sources() if name != ME}
    prose = {n: t for n, t in texts.items() if not n.endswith(NOT_PROSE)}
    code = {n: t for n, t in texts.items() if re.search(r"\.([chl]|def)$", n)}
    mine = {n: t for n, t in code.items() if n.startswith("src/")}
    scripts = {n: t for n, t in texts.items() if re.search(r"\.(py|sh|am|ac|awk)$", n) or t.startswith("#!")}
    tap.case("no retired word", [fault for n, t in prose.items() for fault in words(n, t)])
    tap.case("no retired word in a name",
             [fault for n, t in texts.items() for fault in names(n, t if n in prose or n in code else "")])
    tap.case("no comment begins with a pronoun", [fault for n, t in code.items() for fault in pronouns(n, t)])
    tap.case("no comment of a script begins with a pronoun", [fault for n, t in scripts.items() for fault in script_pronouns(n, t)])
    tap.case("no static name in two files of src/", doubled(mine, TWICE))
    tap.case("no bare verb is a static name of src/ and sim/", bare({n: t for n, t in code.items() if n.startswith(("src/", "sim/"))}))
    show_that_rules_bite(tap)
    tap.finish()


if __name__ == "__main__":
    main()

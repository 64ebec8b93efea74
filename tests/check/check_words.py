#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The style guide of HACKING.md, as far as a machine can read: retired words, comments that begin with a pronoun,
one static name in two files of src/, log lines in the documents that the source does not have. Every rule is also
shown a text that breaks it, and one that does not."""

import collections
import os
import re

from check_sources import read, sources
from tap import Tap

ME = os.path.join("tests", "check", "check_words.py")
# Data, and pictures of what programs print.
NOT_PROSE = (".def", ".tsv", ".json", ".svg", ".gz", ".raw", ".bin", ".license", ".ccidlog", ".supp")
BE = r"(?:is|are|was|were)"
# What is looked for, and what to write instead.
RETIRED = (
    (r"\brigs?\b", "sim host, driver fixture, fuzz device or bench device"),
    (r"\b(?:floors?|stairs?)\b", "layer, baseline, threshold or minimum"),
    (r"\bhouse\b", "project"),
    (r"\banew\b", "again, or once more"),
    (r"\bhas it not\b|\bit not\b[.:,;]", "a verb with its auxiliary: does not have it"),
    (r"\b(?:knows|shows|says|takes|tells|asks|finds|sends|needs|opens|reads) not\b", "does not know, does not show, …"),
    (r"\bha(?:s|ve) not(?: (?:the|this|that|any|a|an)\b|[.:,;)])", "does not have"),
)
PRONOUNS = r"(?:it|its|he|him|his|she|they|them|their|we|us|these|those|who|whoever|whom|everybody|nobody|somebody|anybody)"
STRING = r'"(?:\\.|[^"\\\n])*"'
# The same static name in two files of src/, and why that is right.
TWICE = {
    "usage": "each program has its own",
}


def words(name, text):
    return [f"{name}:{text.count(chr(10), 0, match.start()) + 1}: '{match[0].strip()}': write {instead}"
            for pattern, instead in RETIRED for match in re.finditer(pattern, text, re.I)]


def pronouns(name, text):
    """A comment names what it is about: the reader of a file begins anywhere."""
    faults = []
    for match in re.finditer(STRING + r"|'(?:\\.|[^'\\\n])'|/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*", text):
        if match[0][0] == "/" and re.match(r"/[*/]+[\s*]*" + PRONOUNS + r"\b(?!-)", match[0], re.I):
            faults.append(f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0][:60]}")
    return faults


def statics(texts):
    """Name of each static function: the files that have it."""
    found = collections.defaultdict(list)
    for name, text in texts.items():
        for match in re.finditer(r"^static\s[\w\s*]*?\b(\w+)\([^;{]*\)\s*\{", text, re.M):
            found[match[1]].append(name)
    return found


def doubled(texts, allowed):
    faults = [f"{name}: in {', '.join(files)}: give it its module's prefix"
              for name, files in sorted(statics(texts).items()) if len(set(files)) > 1 and name not in allowed]
    return faults + [f"{name}: allowed twice, and is not" for name in allowed if len(set(statics(texts)[name])) < 2]


def printed(texts):
    """Every text of the source: neighbours joined, None where the program puts a word in."""
    found = []
    for text in texts.values():
        for match in re.finditer(STRING + r"(?:\s*" + STRING + ")*", re.sub(r'"\s*PRI\w+', 'd"', text)):
            whole = "".join(re.findall(r'"((?:\\.|[^"\\\n])*)"', match[0])).replace('\\"', '"')
            parts = re.split(r"%[-0-9.*]*(?:zu|l*[a-zA-Z]|$)", whole)
            if len("".join(parts)) >= 10:
                found.append([c for part in parts for c in [*part, None]][:-1])
    return found


def shows(line, text):
    """Whether a program that prints the text can print this piece of a line, much of it word for word."""
    at = {place: 0 for place in range(len(text))}       # place in the text: letters that are the text's own
    for letter in line:
        following = {}
        for place, same in at.items():
            while place < len(text) and text[place] is None:
                if letter != " ":
                    following[place] = max(same, following.get(place, 0))
                place += 1
            if place < len(text) and text[place] == letter:
                following[place + 1] = max(same + 1, following.get(place + 1, 0))
        at = following
    return 5 * max(at.values(), default=-1) >= 2 * len(line)


def quoted(name, document, texts):
    """The middle column of the tables in a document quotes log lines."""
    lines = [quote for row in re.findall(r"^\|[^|]*\|([^|]*)\|[^|]*\|$", document, re.M)
             for quote in re.findall("`([^`]*)`", row)]
    return [f"{name}: no program prints '{line}'" for line in lines
            for piece in line.split("...") if not any(shows(piece.strip(), text) for text in texts)]


def show_that_rules_bite(tap):
    for text in ("the fuzz rig\n", "a floor below\n", "made anew\n", "a pad it has not:\n", "lsusb shows it not.\n", "who knows not\n"):
        tap.case(f"words: '{text.strip()}' is found", bool(words("x", text)))
    tap.case("words: what is allowed passes", words("x", "the card has not answered; original, newhouse; it is not a reader\n"))
    tap.case("comments: a pronoun is found", all(pronouns("x.c", f"int x;\n/* {text} */\n") for text in
                                                 ("It is late.", "Those in line.", "Who may go on", "\n * they wait")))
    tap.case("comments: a noun passes", pronouns("x.c", '/* I-block */ "/* it" /* ITU, its-own */ // The reader\n'))
    twice = {"src/a.c": "static int take(int x)\n{\n}\n", "src/b.c": "static int take(\n\tint y)\n{\n}\n"}
    tap.case("static names: one in two files is found", bool(doubled(twice, {})))
    tap.case("static names: an exception without need is found", bool(doubled({}, {"take": ""})))
    tap.case("static names: prototypes and exceptions pass", doubled({**twice, "src/c.c": "static int put(int);\n"}, {"take": ""}))
    texts = printed({"src/a.c": 'log("%s: bError 0x%02X "\n\t"%" PRIu32 " is late", a);'})
    tap.case("log lines: one that does not exist is found", bool(quoted("x", "| a | `is early` | c |\n", texts)))
    tap.case("log lines: one that exists passes", quoted("x", "| a | `Xfr: bError 0xFE 12 is late` | c |\n", texts))


def main():
    tap = Tap()
    texts = {name: read(name) for name in sources() if name != ME}
    code = {n: t for n, t in texts.items() if re.search(r"\.([chl]|def)$", n)}
    mine = {n: t for n, t in code.items() if n.startswith("src/")}
    tap.case("no static name in two files of src/", doubled(mine, TWICE))
    document = "doc/troubleshooting.md"
    tap.case(f"the source has the log lines of {document}", quoted(document, texts[document], printed(mine)))
    show_that_rules_bite(tap)
    tap.finish()


if __name__ == "__main__":
    main()

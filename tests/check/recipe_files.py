#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files in doc/recipes.md: an indented line "# /path..." begins a file, or the "#!" line before that line, and an
empty line ends the file.
    recipe_files.py DOCUMENT FOLDER     writes them below FOLDER; scripts may be executed"""

import os
import re
import sys

NAME = re.compile(r"# (/[-\w./@]+)")


def recipe_files(document):
    """Path and text of each file."""
    with open(document, encoding="utf-8") as file:
        lines = file.read().split("\n")
    files, path, first = {}, None, ""
    for line in lines:
        if not line.startswith("    "):
            path, first = None, ""
            continue
        line = line[4:] + "\n"
        named = NAME.match(line)
        if named and path is None:
            path = named.group(1)
            files[path] = first
        if path:
            files[path] += line
        first = line if line.startswith("#!") else ""
    return files


def write_files(files, folder):
    for path, text in files.items():
        place = folder + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(place, 0o755 if text.startswith("#!") else 0o644)


if __name__ == "__main__":
    write_files(recipe_files(sys.argv[1]), sys.argv[2])

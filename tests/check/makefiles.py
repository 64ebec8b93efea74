# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makefile.am with the fragments that it includes, one for each folder."""

import glob
import os
import re

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()


def expand(patterns):
    """The files that make finds for $(wildcard …)."""
    found = [os.path.relpath(file, TOP) for pattern in patterns.replace("\\\n", " ").split()
             for file in sorted(glob.glob(pattern.replace("$(srcdir)", TOP)))]
    return " ".join(found)


def makefile():
    """All makefiles as one text, as automake reads them, with each pattern replaced by its files."""
    text, fragments = read("Makefile.am"), 1
    while fragments:
        text, fragments = re.subn(r"^include \$\(top_srcdir\)/(\S+)$", lambda match: read(match[1]), text, flags=re.M)
    return re.sub(r"\$\(wildcard ([^()]*(?:\$\(srcdir\)[^()]*)*)\)", lambda match: expand(match[1]), text)

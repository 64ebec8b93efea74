# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makefile.am with the fragments that it includes, one for each folder."""

import os
import re

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()


def makefile():
    """All of it as one text, as automake reads it."""
    return re.sub(r"^include \$\(top_srcdir\)/(\S+)$", lambda match: read(match[1]), read("Makefile.am"), flags=re.M)

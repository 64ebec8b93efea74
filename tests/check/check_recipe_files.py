#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units, the rule and the scripts of doc/recipes.md, checked without starting them;
tests/kernel/recipe.py starts them."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recipe_files import recipe_files, write_files  # noqa: E402
from tap import Tap  # noqa: E402

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))
UNITS = "/etc/systemd/system/"
RULE = "/etc/udev/rules.d/99-usbip.rules"
KEEP = "/usr/local/sbin/usbip-keep"
FILES = [UNITS + "usbipd.service", RULE, KEEP, UNITS + "usbip-keep@.service", "/etc/sysctl.d/usbip.conf"]
TARGETS = ("sysinit", "basic", "shutdown", "network", "network-online", "multi-user")


def run(*words):
    """The faults that a program finds."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return [] if done.returncode == 0 else [f"exit code {done.returncode}"] + done.stdout.splitlines()


def can(*words):
    """True when there is such a program and it has this option."""
    return bool(shutil.which(words[0])) and not run(*words)


def verify_units(tap, folder, files):
    """systemd verifies the units, in a folder with the targets and programs that the units name."""
    name = "systemd-analyze finds no fault in the units"
    if not can("systemd-analyze", "--recursive-errors=yes", "--version"):
        tap.skip(name, "no systemd-analyze 250 or later")
        return
    for target in TARGETS:
        write_files({f"/usr/lib/systemd/system/{target}.target": f"[Unit]\nDescription={target}\n"}, folder)
    for program in re.findall(r"^Exec\w+=(/\S+)", "".join(files.values()), re.M):
        if program not in files:
            write_files({program: "#!/bin/sh\n"}, folder)
    units = [os.path.basename(path).replace("@.", "@bank-1.example.") for path in files if path.startswith(UNITS)]
    tap.case(name, run("systemd-analyze", "verify", f"--root={folder}", "--recursive-errors=yes", *units))


def verify_rule(tap, folder):
    name = "udevadm finds no fault in the rule"
    if can("udevadm", "verify", "--help"):
        tap.case(name, run("udevadm", "verify", folder + RULE))
    else:
        tap.skip(name, "no udevadm 254 or later")


def main():
    tap = Tap()
    files = recipe_files(os.path.join(TOP, "doc", "recipes.md"))
    tap.case("doc/recipes.md: the files", [] if list(files) == FILES else [str(list(files))])
    with tempfile.TemporaryDirectory() as folder:
        write_files(files, folder)
        verify_units(tap, folder, files)
        verify_rule(tap, folder)
        tap.case("the script of the recipe is a shell script", run("sh", "-n", folder + KEEP))
    # %I replaces every hyphen by a slash, in a host's name, too
    tap.case("no unit uses %I, which makes slashes of hyphens",
             [line for text in files.values() for line in text.split("\n") if re.match(r"Exec.*%I", line)])
    tap.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packs the inputs of a fuzz target into one text file, and unpacks them for the fuzzer.

    corpus.py unpack FILE.corpus FOLDER     one file for each input
    corpus.py pack FOLDER FILE.corpus       the folder's files, sorted by name

A packed file has a line with the name of each input, and below it the bytes in hexadecimal, 48 to a line after a tab.
replay.c reads it as it is."""

import os
import sys

BYTES_PER_LINE = 48
HEAD = """# SPDX-License-Identifier: LGPL-2.1-or-later
# Inputs of the fuzz target {}: packed and unpacked by corpus.py, run by replay_{}.
"""


def unpack(text):
    """The text of a packed file as {name: bytes}; ValueError says what is wrong with it."""
    inputs, name = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            continue
        if line.startswith("\t"):
            if name is None:
                raise ValueError(f"line {number}: bytes without a name")
            try:
                inputs[name] += bytes.fromhex(line[1:])
            except ValueError:
                raise ValueError(f"line {number}: not hexadecimal") from None
        else:
            name = line
            if not name or name in inputs or "/" in name:
                raise ValueError(f"line {number}: a name that is empty, used twice or a path")
            inputs[name] = b""
    return inputs


def pack(target, inputs):
    """{name: bytes} as the text of a packed file."""
    lines = [HEAD.format(target, target)]
    for name in sorted(inputs):
        data = inputs[name]
        lines.append(name + "\n")
        lines += ["\t" + data[at:at + BYTES_PER_LINE].hex() + "\n" for at in range(0, len(data), BYTES_PER_LINE)]
    return "".join(lines)


def target_of(path):
    return os.path.basename(path).removesuffix(".corpus")


def main():
    try:
        _, what, source, to = sys.argv
    except ValueError:
        sys.exit(__doc__)
    if what == "unpack":
        os.makedirs(to, exist_ok=True)
        with open(source, encoding="ascii") as file:
            inputs = unpack(file.read())
        for name, data in inputs.items():
            with open(os.path.join(to, name), "wb") as file:
                file.write(data)
    elif what == "pack":
        inputs = {}
        for name in os.listdir(source):
            with open(os.path.join(source, name), "rb") as file:
                inputs[name] = file.read()
        with open(to, "w", encoding="ascii") as file:
            file.write(pack(target_of(to), inputs))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()

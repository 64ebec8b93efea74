# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's vicc, with the paths of its own modules and of PyCrypto, which Debian 12's vicc does not find.

    vicc.py ARGUMENT...         as vicc; --there: only whether it can be run
"""

import glob
import importlib
import runpy
import shutil
import sys

sys.path += glob.glob("/usr/lib/python3/*-packages/virtualsmartcard")
for module in ("", ".Cipher", ".Hash", ".Cipher.DES3", ".Cipher.DES", ".Cipher.AES", ".Cipher.ARC4", ".Hash.HMAC",
               ".Hash.SHA"):
    sys.modules["Crypto" + module] = importlib.import_module("Cryptodome" + module)
path = shutil.which("vicc") or sys.exit("vicc is not installed")
importlib.import_module("virtualsmartcard.VirtualSmartcard")
if "--there" not in sys.argv:
    sys.argv[0] = path
    runpy.run_path(path, run_name="__main__")

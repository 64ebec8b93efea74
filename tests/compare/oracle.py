# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sources of the oracle, libccid: Debian's own package, and the newest package with the C library it needs."""

import os
import pathlib
import re
import subprocess
import sys

BUNDLE = "ifd-ccid.bundle/Contents"
SUITE_OF_NEWEST = "sid"


class Oracle:
    """A driver's file, how it is started, and its version ("ours", "1.5.2", ...)."""

    def __init__(self, version, library, loader=()):
        self.version, self.library, self.loader = version, library, list(loader)

    @property
    def name(self):
        return f"libccid {self.version}"


def run(*command, **kw):
    return subprocess.run(command, capture_output=True, text=True, check=False, **kw)


def sources():
    """(mirror, keyring or None) of the machine's own Debian archive, from its apt sources."""
    found = []
    for path in [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        found += [(m[2], re.search(r"signed-by=([^\] ]+)", m[1] or ""))
                  for m in re.finditer(r"^deb(?:-src)?\s+(\[[^\]]*\]\s+)?(\S+)\s+\S+\s+.*\bmain\b", text, re.M)]
        key = re.search(r"^Signed-By:\s*(\S+)", text, re.M)
        found += [(m[1], key) for m in re.finditer(r"^URIs:\s*(\S+)", text, re.M)]
    for uri, key in found:
        if uri.rstrip("/").endswith("/debian"):
            return uri, key and key[1]
    return None, None


def private_apt(folder):
    """The environment in which apt-get knows only the newest suite; None: the suite is not available."""
    uri, key = sources()
    if not uri:
        return None
    state = folder / "apt"
    for each in ("lists/partial", "cache/archives/partial"):
        (state / each).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    signed = f"[signed-by={key}] " if key else ""
    (state / "sources.list").write_text(f"deb {signed}{uri} {SUITE_OF_NEWEST} main\n")
    (state / "apt.conf").write_text("".join(f'{k} "{v}";\n' for k, v in {
        "Dir::State": state, "Dir::State::status": state / "status", "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache", "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null", "Acquire::Languages": "none"}.items()))
    env = dict(os.environ, APT_CONFIG=str(state / "apt.conf"))
    done = run("apt-get", "-q", "update", env=env)
    return env if done.returncode == 0 and "Failed to fetch" not in done.stderr else None


def unpack(folder, packages, env=None):
    """Unpacks the packages into the folder; True: all packages were available."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("libccid_*.deb")):
        run("apt-get", "-q", "download", *packages, cwd=folder, env=env)
    if not list(folder.glob("libccid_*.deb")):
        return False
    if list(folder.glob("**/" + BUNDLE + "/Linux/libccid.so")):
        return True
    return all(run("dpkg", "-x", str(deb), str(folder)).returncode == 0 for deb in sorted(folder.glob("*.deb")))


def version_in(folder):
    return re.search(r"libccid_([\d.]+)-", next(folder.glob("libccid_*.deb")).name)[1]


def own(folder):
    """Debian's libccid of this machine's release."""
    here = folder / "libccid"
    if not unpack(here, ["libccid"]):
        return None
    return Oracle(version_in(here), next(here.glob("**/" + BUNDLE + "/Linux/libccid.so")))


def newest(folder):
    """The newest libccid, with the C library and libusb it was built for."""
    here = folder / "libccid-newest"
    ready = list(here.glob("libccid_*.deb"))
    env = None if ready else private_apt(folder)
    if not (ready or env) or not unpack(here, ["libccid", "libc6", "libusb-1.0-0", "libudev1", "libcap2"], env):
        return None
    loader = next(here.glob("**/ld-linux-*.so.*"), None)
    libc = next(here.glob("**/libc.so.6"), None)
    if not loader or not libc:
        return None
    return Oracle(version_in(here), next(here.glob("**/" + BUNDLE + "/Linux/libccid.so")),
                  [str(loader), "--library-path", str(libc.parent)])


def ours(builddir):
    return Oracle("ours", builddir / BUNDLE / "Linux/libccid.so")


def drop(folder, options, builddir):
    """A drop directory whose Info.plist has these ifdDriverOptions: the same list of readers for all drivers."""
    place = folder / f"drop-{options:04x}"
    plist = place / BUNDLE / "Info.plist"
    plist.parent.mkdir(parents=True, exist_ok=True)
    text = (builddir / BUNDLE / "Info.plist").read_text()
    changed = re.sub(r"(<key>ifdDriverOptions</key>\s*<string>)[^<]*", rf"\g<1>0x{options:04X}", text)
    if changed == text and options:
        sys.exit("Info.plist has no ifdDriverOptions")
    # libccid requires this key as well.
    plist.write_text(changed.replace("</dict>", "\t<key>Copyright</key>\n\t<string>-</string>\n</dict>"))
    return place

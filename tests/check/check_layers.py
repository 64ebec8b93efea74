#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The layers (HACKING.md): the folders that each folder of src/ may include, and the files that may use
features of a single system. Each rule must also find the fault in a text made to break it."""

import glob
import importlib.machinery
import importlib.util
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

from tap import Tap

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))

# A folder, and the folders it may include from beside its own.
LAYERS = {
    "util": (),
    "proto": ("util",),
    "wire": ("util",),
    "quirks": ("util",),
    "transport": ("wire", "quirks", "util"),
    "ccid": ("transport", "wire", "quirks", "util"),
    "slot": ("proto", "ccid", "transport", "wire", "quirks", "util"),
    "core": ("slot", "proto", "ccid", "transport", "wire", "quirks", "util"),
    "ifdh": ("slot", "proto", "ccid", "transport", "wire", "quirks", "util"),
    "tools": ("ccid", "transport", "wire", "quirks", "util", "readers"),
    "readers": (),
}
# Folders where a function is defined in the module whose header declares it: no cycle hides behind a header that
# speaks for several files.
OWN_HEADERS = ("proto", "quirks", "ccid", "slot", "core")
# Files whose functions are called by ports, and not by the driver.
FOR_PORTS = ("core/ifdccid.c", "transport/pipes.c", "wire/ccid_config.c")
# Features beyond POSIX.1-2008 and C11, and the only files that may use them. No file tests for a system by name:
# configure looks for features.
ONLY_IN = (
    (r"#\s*if.*\b(__linux__|__FreeBSD__|__OpenBSD__|__NetBSD__|__APPLE__)\b", ()),
    (r"#\s*include\s*<(linux|asm)/", ()),
    (r"#\s*include\s*<sys/(epoll|eventfd|timerfd|signalfd|inotify|prctl|sysmacros|syscall|random)\.h>", ()),
    (r"\blibusb_wrap_sys_device\s*\(", ("transport/usb_find.c",)),
    (r'"/sys/', ("tools/system.h", "tools/doctor_bus.c", "transport/usb_node.c")),
    (r'"/proc/', ("tools/doctor_node.c", "tools/doctor_pcscd.c", "tools/doctor_shown.c")),
    # The files that read and write the names of devices.
    (r'"/dev/bus/usb', ("transport/usb_name.c", "transport/usb_find.c", "tools/ccid_parse.c",
                         "tools/system.h")),
    (r"\bsecure_getenv\s*\(", ("slot/config.c", "util/log.c")),
    (r"\b(gettid|memfd_create|pthread_setname_np|ppoll|eventfd|epoll_\w+)\s*\(", ()),
)


def sources():
    for file in sorted(glob.glob(os.path.join(TOP, "src", "*", "*.[chl]"))):
        if not file.endswith("plist_lex.c"):
            with open(file, encoding="utf-8") as text:
                yield os.path.relpath(file, os.path.join(TOP, "src")), text.read()


def includes(text):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M)


def climbs(name, text):
    """Includes that go up."""
    folder = name.split("/")[0]
    if folder not in LAYERS:
        return [f"{name}: the folder is not a layer"]
    return [f"{name}: includes {header}" for header in includes(text)
            if "/" in header and header.split("/")[0] not in LAYERS[folder] + (folder,)]


def module(name):
    """The module of a file: a .c file and its header are one module."""
    return name.rsplit(".", 1)[0]


def cycles(files):
    """Modules that include each other, directly or through others."""
    graph, wrong, done = {}, [], set()
    for name, text in files:
        graph.setdefault(module(name), set()).update({module(i) for i in includes(text)} - {module(name)})

    def visit(node, way):
        if node in way:
            wrong.append(" -> ".join(way[way.index(node):] + [node]))
        elif node not in done:
            for below in sorted(graph.get(node, ())):
                visit(below, way + [node])
            done.add(node)

    for node in sorted(graph):
        visit(node, [])
    return wrong


FUNCTION = r"^(?!static|extern|typedef|#)\w[\w \t*]*?\b(\w+)\([^;{}]*\)"


def foreign(files):
    """Functions that are declared in the header of one module and defined in another."""
    own = [(name, without_comments(text)) for name, text in files if name.split("/")[0] in OWN_HEADERS]
    declared = {match[1]: name for name, code in own if name.endswith(".h")
                for match in re.finditer(FUNCTION + r"(?:\s*__attribute__\s*\(\(.*\)\))?;", code, re.M)}
    return [f"{name}: {match[1]}() is declared in {declared[match[1]]}" for name, code in own if name.endswith(".c")
            for match in re.finditer(FUNCTION + r"\n\{", code, re.M)
            if match[1] in declared and declared[match[1]] != name[:-1] + "h"]


# Functions that give tests access to every row of a table.
DOORS = ("card_row", "quirk_doc", "quirks_table", "serial_type_at")


def unused(files):
    """Functions with no caller in src/, which no driver needs."""
    code = [(name, without_comments(text)) for name, text in files]
    everything = "\n".join(text for name, text in code if name.endswith((".c", ".l", ".def")))
    inline = "\n".join(text for name, text in code if name.endswith(".h"))
    return [f"{name}: {match[1]}() is called by nothing" for name, text in code
            if name.endswith(".c") and name not in FOR_PORTS
            for match in re.finditer(FUNCTION + r"\n\{", text, re.M)
            if match[1] not in DOORS + ("main",) and not match[1].startswith("IFDH")
            and len(re.findall(rf"\b{match[1]}\b", everything)) < 2
            and len(re.findall(rf"\b{match[1]}\b", inline)) < 2]


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)


def strangers(name, text):
    """Features of a single system, outside the files that may use them."""
    code = without_comments(text)
    return [f"{name}:{code.count(chr(10), 0, match.start()) + 1}: {match[0].strip()}"
            for pattern, files in ONLY_IN if name not in files for match in re.finditer(pattern, code)]


def hooks(name, text):
    """A transport's hooks are called by the functions of transport.h, which answer for an absent one."""
    if name.startswith("transport/"):
        return []
    return [f"{name}:{number}: {line.strip()}" for number, line in enumerate(without_comments(text).split("\n"), 1)
            if re.search(r"\bops->|->ops\b", line)]


def vendors(name, text):
    """Code asks for a quirk, never for a vendor."""
    if name.startswith(("quirks/", "tools/")):
        return []
    return [f"{name}: {match[0]}" for match in
            re.finditer(r"\bid(Vendor|Product)\s*[!=]=\s*0x[0-9a-fA-F]{4}\b", without_comments(text))]


def drawing():
    """tools/draw-architecture, which is a program, as a module."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("drawing", os.path.join(TOP, "tools", "draw-architecture"))
    module_of = importlib.util.module_from_spec(importlib.util.spec_from_loader("drawing", loader))
    loader.exec_module(module_of)
    return module_of


def drawn(svg):
    """The arrows and the words of each box in a drawing of dot."""
    edges, boxes = set(), {}
    for group in ElementTree.fromstring(svg).iterfind(".//{*}g"):
        title = group.find("{*}title")
        if group.get("class") == "edge":
            edges.add(tuple(title.text.split("->")))
        elif group.get("class") == "node":
            boxes[title.text] = " ".join(text.text for text in group.iterfind(".//{*}text")).split()
    return edges, boxes


def out_of_date(svg):
    edges, boxes = drawn(svg)
    tool = drawing()
    wrong = sorted(f"{a} -> {b}" for a, b in edges ^ set(tool.arrows(TOP)))
    for layer in tool.WAY + tool.BESIDE:
        words = [f"src/{layer}", *tool.purpose(TOP, layer).split(), *tool.modules(TOP, layer)]
        wrong += [f"src/{layer}: {' '.join(words)}"] if boxes.get(layer) != words else []
    return wrong + ["run tools/draw-architecture"] if wrong else []


def main():
    tap = Tap()
    with open(os.path.join(TOP, "doc", "architecture.svg"), encoding="utf-8") as file:
        svg = file.read()
    tap.case("doc/architecture.svg shows these sources", out_of_date(svg))
    tap.case("rules: a drawing without an arrow is found", bool(out_of_date(svg.replace('class="edge"', 'class="x"', 1))))
    tap.case("rules: a drawing without a module is found", bool(out_of_date(svg.replace("ccid_cmd ", "", 1))))
    files = list(sources())
    names = [name for name, _ in files]
    tap.case("there are sources to read", len(files) > 30)
    tap.case("layers: no include goes up", [f for name, text in files for f in climbs(name, text)])
    tap.case("modules: no module includes itself, directly or through others", cycles(files))
    tap.case("layers: a function is defined beside the header that declares it", foreign(files))
    tap.case("layers: every function has a caller", unused(files))
    tap.case("portability: code for one system is only in the file of that system",
             [f for name, text in files for f in strangers(name, text)])
    tap.case("portability: the files named here exist",
             sorted({f for _, only in ONLY_IN for f in only} - set(names)))
    tap.case("a transport's hooks are called by transport.h alone", [f for name, text in files for f in hooks(name, text)])
    tap.case("no vendor id outside the table of quirks", [f for name, text in files for f in vendors(name, text)])

    tap.case("rules: an include that goes up is found", bool(climbs("proto/t0.c", '#include "slot/slot.h"\n')))
    tap.case("rules: an include that goes down passes", climbs("slot/slot.c", '#include "proto/atr.h"\n'))
    ring = [("a/x.c", '#include "a/y.h"\n'), ("a/y.c", '#include "a/z.h"\n'), ("a/z.h", '#include "a/x.h"\n')]
    tap.case("rules: a cycle is found", bool(cycles(ring)))
    tap.case("rules: a chain passes", cycles(ring[:2]))
    split = [("slot/a.h", "int f(int x,\n      int y);\nstatic inline int g(void)\n{\n}\n"),
             ("slot/a.c", "int f(int x,\n      int y)\n{\n}\n")]
    tap.case("rules: a function beside its header passes", foreign(split))
    tap.case("rules: a function away from its header is found",
             len(foreign([*split, ("slot/b.c", "int f(int x, int y)\n{\n}\n")])) == 1)
    tap.case("rules: a function without a caller is found",
             len(unused([*split, ("slot/c.c", "int g(void)\n{\n\tf();\n}\n")])) == 1)
    tap.case("rules: a test for a system is found", bool(strangers("slot/slot.c", "#ifdef __linux__\n")))
    tap.case("rules: a call of one system is found", bool(strangers("slot/slot.c", "\tgettid();\n")))
    tap.case("rules: a comment passes", strangers("slot/slot.c", "/* gettid() */\n"))
    tap.case("rules: a call of a hook is found", all(hooks("slot/slot.c", text) for text in
                                                     ("t->ops->close(t);", "const struct transport_ops *ops = t->ops;")))
    tap.case("rules: a hook within the transport passes", hooks("transport/transport.h", "t->ops->close(t);"))
    tap.case("rules: a vendor id is found", bool(vendors("slot/slot.c", "if (d->idVendor == 0x08E6)")))
    tap.finish()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the table, the plot and the README's text from the measured figures."""

import shutil
import statistics
import subprocess

from bench_cases import CASES, CLASSIC, BASELINE, OURS, READERS, ROWS

MARK = "*"      # marks figures of several copies of libccid


def values(results, case, subject, figure):
    """The figure in each round; None where the run failed."""
    return [None if r is None else r.get(figure) for r in results.get(case, {}).get(subject, [])]


def median(numbers):
    numbers = [n for n in numbers if n is not None]
    return statistics.median(numbers) if numbers else None


def compare(results, case, figure, other, combine):
    """Median over the rounds of combine(ours, other's); None when there is none."""
    pairs = zip(values(results, case, OURS, figure), values(results, case, other, figure))
    return median([combine(a, b) for a, b in pairs if a is not None and b is not None])


def ratio(a, b):
    return a / b if b else None


def reached(results, row, goal):
    """True, False, or None when there is no figure to compare with."""
    if not goal.against:
        mine = values(results, row.case, OURS, row.figure)
        if not mine or None in mine:
            return False
        # A figure that must reach the goal in every run is judged by its worst round.
        value = max(mine) if row.exact else median(mine)
    else:
        combine = (lambda a, b: a - b) if goal.plus else ratio
        value = compare(results, row.case, row.figure, goal.against, combine)
    return None if value is None else value <= goal.limit + 1e-9


def table(results, copies):
    """A list of dictionaries, one a row, with numbers or None. copies: number of copies of libccid for all readers."""
    out = []
    readers = {c.name: c.readers for c in CASES}
    for row in ROWS:
        verdicts = [reached(results, row, g) for g in row.goals]
        out.append({
            "case": row.case, "figure": row.title, "unit": row.unit, "digits": row.digits,
            "ours": median(values(results, row.case, OURS, row.figure)),
            "libccid": "fails" if failed(results, row.case, CLASSIC) else
                       median(values(results, row.case, CLASSIC, row.figure)),
            "baseline": median(values(results, row.case, BASELINE, row.figure)),
            "of_libccid": compare(results, row.case, row.figure, CLASSIC, ratio),
            "of_baseline": compare(results, row.case, row.figure, BASELINE, ratio),
            "libccid_copies": min(copies, readers[row.case]),
            "goal": ", ".join(g.text() for g in row.goals),
            "verdicts": verdicts,
            # None: no figure to compare with, or no goal.
            "reached": None if not verdicts else False if False in verdicts else None if None in verdicts else True,
        })
    return out


def failed(results, case, subject):
    """True when the subject ran, but every run failed."""
    runs = results.get(case, {}).get(subject, [])
    return bool(runs) and not any(runs)


def cells(line):
    def number(value, digits, mark=""):
        if value is None:
            return "-"
        return "fails" if value == "fails" else f"{value:.{digits}f}{mark}"

    mark = MARK if line["libccid_copies"] > 1 else ""
    verdict = {True: "yes", False: "NO", None: "?" if line["goal"] else ""}
    many = len(set(line["verdicts"])) > 1
    said = ", ".join(verdict[v] for v in line["verdicts"]) if many else verdict[line["reached"]]
    digits = line["digits"]
    return [line["case"], line["figure"] + (f" ({line['unit']})" if line["unit"] else ""),
            number(line["ours"], digits), number(line["libccid"], digits, mark),
            number(line["baseline"], digits), number(line["of_libccid"], 2, mark),
            number(line["of_baseline"], 2), line["goal"], said]


HEAD = ["case", "figure", "this driver", "libccid", "baseline", "/ libccid", "/ baseline", "goal", "reached"]


def as_text(lines):
    rows = [HEAD] + [cells(line) for line in lines]
    for i in range(len(rows) - 1, 1, -1):       # the name of a case stands in its first row only
        if rows[i][0] == rows[i - 1][0]:
            rows[i][0] = ""
    rows.insert(1, None)
    width = [max(len(r[i]) for r in rows if r) for i in range(len(HEAD))]
    text = []
    for r in rows:
        pad = [c.rjust(w) if 2 <= i <= 6 else c.ljust(w) for i, (c, w) in enumerate(zip(r or [], width))]
        text.append("  ".join(pad).rstrip() if r else "  ".join("-" * w for w in width))
    return "\n".join(text)


def as_markdown(lines):
    rows = [HEAD, ["---"] * 2 + ["---:"] * 5 + ["---"] * 2] + [cells(line) for line in lines]
    return "\n".join("| " + " | ".join(c.replace("*", "\\*") for c in r) + " |" for r in rows)


def notes(about):
    """The notes on the table."""
    text = [f"{about['date']}, {about['machine']}. Medians of {about['rounds']} rounds."]
    classic = about["subjects"].get(CLASSIC)
    text.append(f"libccid: {classic}." if classic else
                "libccid: NOT MEASURED: not installed, and its package cannot be had here.")
    copies = about["classic_copies"]
    if classic and copies > 1:
        text.append(f"{MARK} One libccid does not open 96 slots (\"{about['classic_refusal']}\"): {copies} copies of its file "
                    f"are in the one process, each with {READERS / copies:g} of the readers, and share one libusb context "
                    "as the slots of one libccid do whose table is larger; in \"contexts apart\" each copy has its own, "
                    f"where a {copies}th of the threads meet.")
    if about.get("failures"):
        text.append("Failed runs: " + "; ".join(about["failures"]) + ".")
    return text


GNUPLOT = """set terminal svg size 900,700 background "white"
set output "bench.svg"
set multiplot layout 2,1 title "96 slots open"
set logscale x 2
set xtics (1, 2, 4, 8, 16, 32, 64, 96)
set xrange [0.9:110]
set grid
set key top left
set xlabel "cards at work"
set ylabel "wall per APDU (ms)"
set yrange [*<20:*]
plot for [s in "{names}"] s.".dat" using 1:2 with linespoints title s
set key top right
set ylabel "CPU per APDU (us)"
set yrange [0:*]
plot for [s in "{names}"] s.".dat" using 1:3 with linespoints title s
unset multiplot
"""


def plot(curve, folder):
    """curve: subject -> [(active, wall ms, CPU us)]. Writes *.dat, bench.gp and, if gnuplot is
    installed, bench.svg; returns True when bench.svg was drawn."""
    names = []
    for name, points in curve.items():
        if points:
            names.append(name)
            (folder / f"{name}.dat").write_text("".join(f"{n} {w:.4f} {c:.3f}\n" for n, w, c in points))
    (folder / "bench.gp").write_text(GNUPLOT.replace("{names}", " ".join(names)))
    if not names or not shutil.which("gnuplot"):
        return False
    return subprocess.run(["gnuplot", "bench.gp"], cwd=folder, check=False).returncode == 0


def publish(drawn, path):
    """Copies the picture, with the licence line that every file has."""
    first, rest = drawn.read_text().split("\n", 1)
    path.write_text(f"{first}\n<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->\n{rest}")


def write_readme(path, lines, about):
    """Replaces the text after the line "## The last table"."""
    head = "## The last table"
    text = path.read_text().split(head)[0]
    path.write_text(text + head + "\n\n" + "\n".join(notes(about)) + "\n\n" + as_markdown(lines) + "\n")

# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cases of the benchmark, and the goals for their figures."""

OURS, CLASSIC, BASELINE = "ifd-ccid", "libccid", "baseline"
SUBJECTS = (OURS, CLASSIC, BASELINE)
CURVE = (1, 2, 4, 8, 16, 32, 64, 96)
# Numbers of copies of libccid, tried in this order until all readers can be opened.
COPIES = (1, 2, 3, 4, 6, 12)

# A single-slot reader at TPDU level whose other properties do not matter.
READER = "08e6:3437"
SHORT = ["-c", "80140100", "-l", "256", "-e", "258"]    # no data, an answer of 256 bytes
LONG = ["-c", "80160000", "-d", "65535", "-l", "65536", "-e", "65537", "-p", "1"]


def sim(slots=1, copies=1, card="t0", lines=()):
    """A simulator file: `copies` readers, whose slots can all be busy at once, with the same card in each slot."""
    return real(READER, slots, card, [f"copies = {copies}", f"slots = {slots}", f"busy = {slots}", *lines])


def real(row, slots, card, lines=()):
    """A simulator file: a reader from the reader table, with the same card in each slot."""
    return "\n".join(["reader bench", "from = " + row, *lines] +
                     [f"card {i} = {card}" for i in range(slots)]) + "\n"


SLOW = "t0 time_us=20000"
READERS = 12
BANKS = sim(8, READERS, card=SLOW)  # 96 slots
ONE_BANK = sim(8, card=SLOW)


class Case:
    """One way to run bench-load. ideal: seconds that the cards alone take. once: subjects that run in the first round
    only, as their figure does not vary or takes too long."""

    def __init__(self, name, sim_text, args, subjects=SUBJECTS, ideal=1.0, once=(), tool=None, limit=120):
        self.name, self.sim, self.args, self.subjects = name, sim_text, args, subjects
        self.ideal, self.once, self.tool, self.limit = ideal, once, tool, limit
        self.readers = READERS if sim_text == BANKS else 1


NO_BASELINE = (OURS, CLASSIC)
QUIT = ["-x"]
# The baseline's maximum of commands in flight.
TWO_PLACES, FIVE_PLACES = ["-b", "2"], ["-b", "5"]
APART = ["-k"]
CASES = [
    Case("96 at work", BANKS, ["-s", "8", "-r", "50", *SHORT, *QUIT]),
    Case("96 at work, contexts apart", BANKS, ["-s", "8", "-r", "50", *SHORT, *QUIT, *APART], NO_BASELINE),
    Case("96 open, 1 at work", BANKS, ["-s", "8", "-a", "1", "-r", "50", *SHORT, *QUIT]),
    Case("1 x 8 at work", ONE_BANK, ["-s", "8", "-r", "50", *SHORT, *QUIT]),
    # Covadis Auriga, SpringCard H518
    Case("3 slots, 2 busy places", real("0982:0040", 3, SLOW),
         ["-s", "3", "-r", "50", *SHORT, *QUIT, *TWO_PLACES], ideal=1.5),
    Case("2 slots, 5 busy places", real("1c34:6122", 2, SLOW),
         ["-s", "2", "-r", "50", *SHORT, *QUIT, *FIVE_PLACES]),
    Case("single slot, 0 ms", sim(), ["-r", "2000", *SHORT, *QUIT]),
    Case("T=1 TPDU, 8 slots, 5 ms", sim(8, card="t1 time_us=5000", lines=["level = tpdu"]),
         ["-s", "8", "-r", "100", "-p", "1", *SHORT, *QUIT]),
    Case("64 KiB extended APDUs", sim(card="t1", lines=["level = extended", "maxlen = 1034"]),
         ["-r", "10", *LONG, *QUIT], NO_BASELINE),
    Case("closing 96", BANKS, ["-s", "8", "-r", "2", *SHORT], once=(CLASSIC,)),
    Case("closing 96, unplugged", BANKS, ["-s", "8", "-r", "2", *SHORT, "-u", "@SIM@"]),
    Case("memory", ONE_BANK, ["-s", "8", "-m", *SHORT], NO_BASELINE, once=SUBJECTS),
    Case("96 idle", BANKS, ["-s", "8", "-r", "2", "-i", "10", *SHORT, *QUIT], once=SUBJECTS),
    Case("instructions", sim(), [*SHORT, *QUIT], NO_BASELINE, once=SUBJECTS, tool="callgrind"),
]


class Goal:
    """value OP limit. against: None for the figure itself, otherwise the subject to compare it with;
    plus: the difference counts, not the ratio."""

    def __init__(self, limit, against=None, plus=False):
        self.limit, self.against, self.plus = limit, against, plus

    def text(self):
        if self.plus:
            return f"<= {self.against} + {self.limit:g}"
        return f"<= {self.limit:.3g} x {self.against}" if self.against else f"<= {self.limit:g}"


class Row:
    """A line of the table: one figure of a case. exact: every run must reach the goal."""

    def __init__(self, case, figure, title, goals, unit="", digits=1, exact=False):
        self.case, self.figure, self.title, self.goals = case, figure, title, goals
        self.unit, self.digits, self.exact = unit, digits, exact


CPU, SWITCHES = "cpu_us_per_apdu", "switches_per_apdu"
LEAN = [Goal(1.25, BASELINE)]
AS_BASELINE = [Goal(0.01, BASELINE, plus=True)]
ROWS = [
    Row("96 at work", CPU, "CPU per APDU", LEAN + [Goal(1 / 3, CLASSIC)], "us"),
    Row("96 at work", SWITCHES, "context switches per APDU", LEAN, digits=2),
    Row("96 at work", "wall_over_ideal", "wall over 50 x 20 ms", AS_BASELINE, digits=3),
    Row("96 at work, contexts apart", CPU, "CPU per APDU", [], "us"),
    Row("96 open, 1 at work", CPU, "CPU per APDU", LEAN, "us"),
    Row("96 open, 1 at work", SWITCHES, "context switches per APDU", LEAN, digits=2),
    Row("1 x 8 at work", CPU, "CPU per APDU", LEAN, "us"),
    Row("1 x 8 at work", SWITCHES, "context switches per APDU", LEAN, digits=2),
    # Over the ideal: 3 x 50 x 20 ms in 2 places, 2 x 50 x 20 ms at once. The bus adds a little, the same for all.
    Row("3 slots, 2 busy places", "wall_over_ideal", "wall over 1.5 s", AS_BASELINE, digits=3),
    Row("3 slots, 2 busy places", "in_flight", "most in flight", [Goal(2)], digits=0, exact=True),
    Row("2 slots, 5 busy places", "wall_over_ideal", "wall over 1.0 s", AS_BASELINE, digits=3),
    Row("single slot, 0 ms", CPU, "CPU per APDU", [Goal(0.9, CLASSIC)], "us"),
    Row("single slot, 0 ms", SWITCHES, "context switches per APDU", [Goal(1.0, CLASSIC)], digits=2),
    Row("96 at work", "open_ms", "opening all slots", [Goal(100)], "ms"),
    Row("closing 96", "close_ms", "closing all slots", [Goal(50)], "ms"),
    Row("closing 96, unplugged", "close_ms", "the same, unplugged while polling", [Goal(50)], "ms"),
    Row("T=1 TPDU, 8 slots, 5 ms", CPU, "CPU per APDU", [Goal(1 / 2.5, CLASSIC)], "us"),
    Row("64 KiB extended APDUs", CPU, "CPU per APDU", [Goal(0.8, CLASSIC)], "us", 0),
    Row("instructions", "per_apdu", "in the driver, per APDU", [Goal(0.5, CLASSIC)], digits=0),
    Row("instructions", "all_per_apdu", "with libusb and libc, per APDU", [], digits=0),
    Row("96 idle", "idle_wakeups", "wake-ups in 10 s", [Goal(0)], digits=0, exact=True),
    Row("memory", "bytes_per_slot", "heap of a further slot", [Goal(4096)], "B", 0),
    Row("96 at work", "threads_per_reader", "own threads for each reader", [Goal(1)], digits=2, exact=True),
]


def derive(figures, ideal):
    """Adds figures that are computed from bench-load's own, in place. ideal: seconds."""
    if "wall_us" in figures:
        figures["wall_over_ideal"] = figures["wall_us"] / 1e6 / ideal
    if "open_us" in figures:
        figures["open_ms"] = figures["open_us"] / 1e3
        figures["threads_per_reader"] = figures["threads"] / figures["devices"]
    if "close_us" in figures:
        figures["close_ms"] = figures["close_us"] / 1e3
    return figures

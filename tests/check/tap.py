# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints results in TAP (Test Anything Protocol), one case a line."""

import sys


class Tap:
    """Counts cases; finish() writes the plan and ends the program."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def case(self, name, faults):
        """One case: passes when there are no faults (a list of texts, or a truth value)."""
        if isinstance(faults, bool):
            faults = [] if faults else ["the condition is false"]
        self.count += 1
        if faults:
            self.failed += 1
        print(f"{'not ok' if faults else 'ok'} {self.count} - {name}")
        for fault in list(faults)[:20]:
            print(f"# {fault}")
        if len(faults) > 20:
            print(f"# and {len(faults) - 20} more")

    def skip(self, name, why):
        """One skipped case."""
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {why}")

    def finish(self):
        """Writes the plan; exits with 1 when a case failed or none ran."""
        print(f"1..{self.count}")
        sys.stdout.flush()
        sys.exit(1 if self.failed or not self.count else 0)

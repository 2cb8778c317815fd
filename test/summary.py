# SPDX-License-Identifier: Apache-2.0
"""Adds up JUnit reports: names what failed or was skipped, and ends with `N passed, N failed, N skipped`.

    summary.py REPORT.xml ...      exits with 1 if anything failed, or nothing ran
"""

import sys
import xml.etree.ElementTree as xml


def outcome(case):
    for tag in ("failure", "error"):
        if case.find(tag) is not None:
            return "failed"
    skipped = case.find("skipped")
    if skipped is not None and "Unable to find" in (skipped.get("message") or ""):
        return "failed"  # ctest's word for a test whose program was not built.
    return "skipped" if skipped is not None or case.get("status") in ("notrun", "disabled") else "passed"


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sys.argv[1:]:
        for case in xml.parse(path).getroot().iter("testcase"):
            result = outcome(case)
            counts[result] += 1
            if result != "passed":
                skipped = case.find("skipped")
                reason = skipped.get("message") if skipped is not None else None
                print(f"{result.upper()}: {case.get('classname') or ''} {case.get('name')}" + (f": {reason}" if reason else ""))
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())

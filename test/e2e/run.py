# SPDX-License-Identifier: Apache-2.0
"""Runs the end-to-end tests and writes a JUnit report.

    run.py [--junit FILE] [NAME ...]     NAME as unittest takes it, such as test_models.SmolLM2Test
"""

import argparse
import sys
import time
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

HERE = Path(__file__).parent


class Report(unittest.TextTestResult):
    """Keeps an outcome per test; a failing subtest fails its test."""

    def startTest(self, test):
        super().startTest(test)
        self.outcomes = getattr(self, "outcomes", {})
        self.outcomes[test.id()] = ["passed", "", time.monotonic(), 0.0]

    def stopTest(self, test):
        super().stopTest(test)
        self.outcomes[test.id()][3] = time.monotonic() - self.outcomes[test.id()][2]

    def note(self, test, outcome, text):
        # A failure of setUpClass has no startTest; it stands under the class's name.
        self.outcomes = getattr(self, "outcomes", {})
        self.outcomes.setdefault(test.id(), ["passed", "", 0.0, 0.0])[:2] = [outcome, text]

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped", reason)

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "failure", self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "failure", self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "failure", f"{subtest}\n{self._exc_info_to_string(err, test)}")

    def write(self, path):
        suite = xml.Element("testsuite", name="e2e", tests=str(len(self.outcomes)))
        for name, (outcome, text, _, seconds) in self.outcomes.items():
            case = xml.SubElement(suite, "testcase", name=name, classname="e2e", time=f"{seconds:.3f}")
            if outcome != "passed":
                xml.SubElement(case, outcome, message=text.strip().splitlines()[-1] if text else "").text = text
        xml.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--junit", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    tests = loader.loadTestsFromNames(options.names) if options.names else loader.discover(str(HERE), top_level_dir=str(HERE))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Report).run(tests)
    if options.junit:
        result.outcomes = getattr(result, "outcomes", {})
        result.write(options.junit)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())

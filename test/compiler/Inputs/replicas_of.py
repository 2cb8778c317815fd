# SPDX-License-Identifier: Apache-2.0
"""Checks that a plan of replicas is the plan without them, but for their number: replicas_of.py ONE REPLICAS COUNT."""

import json
import sys

single, replicated = (json.load(open(path))["plan"] for path in sys.argv[1:3])
assert single.pop("replicas") == 1 and replicated.pop("replicas") == int(sys.argv[3])
# Workers of this machine are shared out among replicas; all else is equal.
for plan in (single, replicated):
    for chip in plan["memory"]:
        for key in ("workers", "workspace", "activations", "total"):
            del chip[key]
assert single == replicated, "the plans differ"

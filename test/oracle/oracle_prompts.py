# SPDX-License-Identifier: Apache-2.0
"""Prompts whose greedy continuations make_references.py stores and test/e2e compares."""

PROMPTS = {
    "story": "Once upon a time, in a small village by the sea,",
    "fact": "The three states of matter are",
    "list": "1. January\n2. February\n3. March\n",
    "code": "def fibonacci(n):\n    \"\"\"Returns the n-th Fibonacci number.\"\"\"\n",
    "chat": "Question: Why is the sky blue?\nAnswer:",
}

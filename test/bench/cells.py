# SPDX-License-Identifier: Apache-2.0
"""What a contestant measures: cells, S sequences at L tokens.

Prefill is the time from S prompts of L tokens to their first tokens. Decode is the time of N steps of all S sequences
with L tokens in the cache. L = 0 is decode from empty (a prompt of one token, whose prefill is not reported).
"""


def parse(text):
    """"1:512,16:288" -> [(1, 512), (16, 288)]."""
    cells = []
    for word in text.split(","):
        sequences, separator, tokens = word.partition(":")
        if not separator or not sequences.isdigit() or not tokens.isdigit() or int(sequences) < 1:
            raise ValueError(f"{word!r} is no cell; write SEQUENCES:TOKENS, such as 1:512")
        cells.append((int(sequences), int(tokens)))
    return cells


def spell(cells):
    return ",".join(f"{sequences}:{tokens}" for sequences, tokens in cells)


def prompts(sequences, tokens, vocabulary):
    """The same for every contestant: [sequences][max(tokens, 1)] ids of ordinary words."""
    import numpy as np

    return np.random.default_rng(1).integers(100, min(vocabulary, 40000), (sequences, max(tokens, 1)))


def figures(sequences, tokens, new_tokens, prefill_seconds, decode_seconds):
    """One cell's result. `decode_seconds` is of `new_tokens` steps."""
    cell = {"sequences": sequences, "tokens": tokens,
            "decode_tokens_per_second": sequences * new_tokens / decode_seconds,
            "tpot_ms": decode_seconds * 1e3 / new_tokens}
    if tokens:
        cell |= {"prefill_tokens_per_second": sequences * tokens / prefill_seconds}
    return cell

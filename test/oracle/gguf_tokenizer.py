# SPDX-License-Identifier: Apache-2.0
"""A GGUF file's tokenizer as Hugging Face `tokenizers` runs it."""

from pathlib import Path

import gguf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers


def byte_level_bpe(fields):
    """`tokenizer.ggml.model = gpt2` with the pre-tokenizer of SmolLM: single digits, then GPT-2's pattern."""
    pre = fields["tokenizer.ggml.pre"].contents()
    if pre != "smollm":
        raise ValueError(f"pre-tokenizer {pre!r}: only 'smollm' is known here")
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def encoder_of(path):
    """Returns text -> ids, beginning-of-sequence token included where the file asks for it."""
    path = Path(path)
    fields = gguf.GGUFReader(path).fields
    if fields["tokenizer.ggml.model"].contents() == "gpt2":
        tokenizer = byte_level_bpe(fields)
        return lambda text: tokenizer.encode(text).ids
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    return lambda text: tokenizer(text).input_ids

# SPDX-License-Identifier: Apache-2.0
"""Makes references/NAME.npz: what a model says about the texts in text/, by transformers in fp32.

    python make_references.py MODEL.gguf [MODEL.gguf ...]

One archive per model. For each text T (the first LENGTHS[T] tokens are one sequence of n tokens):
  T.ids      [n] int32     the tokens, special ones included as the file's tokenizer settings say
  T.top_ids  [n, 256]      the most likely next tokens after position i, most likely first
  T.top_lp   [n, 256] u16  their log-probabilities: -lp * LOGPROB_STEPS, as differences along a row
  T.rest_lp  [n] f32       log of the probability of all other tokens together
  T.nll      [n - 1] f32   negative log-probability of ids[i + 1] after position i
and for each prompt P of PROMPTS:
  P.prompt [m] int32, P.ids [GREEDY_TOKENS] int32  the greedy continuation
  P.gaps   [GREEDY_TOKENS] f32                     distance of the two largest logits at each of its tokens
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from gguf_model import load
from gguf_tokenizer import encoder_of
from oracle_prompts import PROMPTS

HERE = Path(__file__).parent
LENGTHS = {"rabbit-hole": 1024, "tea-party": 384, "code": 448, "notes": 384}
TOP = 256
LOGPROB_STEPS = 2048  # Steps of 0.0005 nat, down to -32 nat.
GREEDY_TOKENS = 48


@torch.no_grad()
def read_text(model, ids):
    hidden = model.model(torch.tensor([ids])).last_hidden_state[0]
    tops, logprobs, rests, nll = [], [], [], []
    for begin in range(0, len(ids), 64):
        lp = model.lm_head(hidden[begin:begin + 64]).double().log_softmax(-1)
        top = lp.topk(TOP, -1)
        outside = lp.scatter(1, top.indices, float("-inf"))
        following = torch.tensor(ids[begin + 1:begin + 65])
        tops.append(top.indices.numpy())
        logprobs.append(top.values.numpy())
        rests.append(outside.logsumexp(-1).numpy())
        nll.append(-lp[:len(following)].gather(1, following[:, None])[:, 0].numpy())
    steps = np.minimum(np.rint(-np.concatenate(logprobs) * LOGPROB_STEPS), 65535).astype(np.int64)
    indices = np.concatenate(tops)
    return {
        "ids": np.array(ids, np.int32),
        "top_ids": indices.astype(np.uint16 if model.config.vocab_size <= 65536 else np.int32),
        "top_lp": np.diff(steps, axis=1, prepend=0).astype(np.uint16),
        "rest_lp": np.concatenate(rests).astype(np.float32), "nll": np.concatenate(nll).astype(np.float32),
    }


@torch.no_grad()
def continue_greedily(model, prompt):
    ids, gaps, past, step = [], [], None, torch.tensor([prompt])
    for _ in range(GREEDY_TOKENS):
        output = model(step, past_key_values=past, use_cache=True, logits_to_keep=1)
        best = output.logits[0, -1].topk(2)
        ids.append(best.indices[0].item())
        gaps.append((best.values[0] - best.values[1]).item())
        past, step = output.past_key_values, torch.tensor([[ids[-1]]])
    return {"prompt": np.array(prompt, np.int32), "ids": np.array(ids, np.int32), "gaps": np.array(gaps, np.float32)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", type=Path)
    torch.set_num_threads(2)
    for path in parser.parse_args().models:
        model, _ = load(path)
        encode = encoder_of(path)
        parts = {}
        for name, length in LENGTHS.items():
            parts[name] = read_text(model, encode((HERE / "text" / f"{name}.txt").read_text())[:length])
        for name, prompt in PROMPTS.items():
            parts[f"prompt-{name}"] = continue_greedily(model, encode(prompt))
        target = HERE / "references" / (path.stem + ".npz")
        target.parent.mkdir(exist_ok=True)
        np.savez_compressed(target, **{f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()})
        positions = sum(len(parts[name]["ids"]) for name in LENGTHS)
        perplexity = np.exp(np.concatenate([parts[name]["nll"] for name in LENGTHS]).mean())
        print(f"{target.name}: {positions} positions, perplexity {perplexity:.4f}, {target.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()

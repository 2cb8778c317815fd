# SPDX-License-Identifier: Apache-2.0
"""Makes references/embeddings/NAME.npz: a model's last hidden states of TEXTS, by transformers in fp32.

    python make_embeddings.py MODEL.gguf [MODEL.gguf ...]

For text number i:
  i.ids  [n] int32       its tokens, special ones included as the file's tokenizer settings say
  i.last [hidden] f32    the last token's hidden state after the last norm, at length 1
  i.mean [hidden] f32    the mean of all tokens' hidden states, at length 1
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from gguf_model import load
from gguf_tokenizer import encoder_of
from oracle_sentences import TEXTS

HERE = Path(__file__).parent


@torch.no_grad()
def read(model, ids):
    states = model.model(torch.tensor([ids])).last_hidden_state[0].double()
    vectors = {"last": states[-1], "mean": states.mean(0)}
    return {"ids": np.array(ids, np.int32)} | {name: (v / v.norm()).float().numpy() for name, v in vectors.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", type=Path)
    torch.set_num_threads(2)
    for path in parser.parse_args().models:
        model, _ = load(path)
        encode = encoder_of(path)
        parts = [read(model, encode(text)) for text in TEXTS]
        target = HERE / "references" / "embeddings" / (path.stem + ".npz")
        target.parent.mkdir(exist_ok=True)
        np.savez_compressed(target, **{f"{i}.{key}": value for i, part in enumerate(parts) for key, value in part.items()})
        print(f"{target.name}: {[len(p['ids']) for p in parts]} tokens, {target.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()

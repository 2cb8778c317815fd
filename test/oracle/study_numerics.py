# SPDX-License-Identifier: Apache-2.0
"""What activation and KV-cache formats cost in accuracy (docs/decisions/0001-activation-numerics.md).

Runs a GGUF model in fp32 on its dequantised weights, then again with the roundings of each candidate,
and prints mean and maximum KL divergence of the next-token distributions and the change of perplexity.

    python study_numerics.py MODEL.gguf [--tokens 640] [--only NAME,...]
"""

import argparse
import sys
from pathlib import Path

import torch
from gguf_model import load
from gguf_tokenizer import encoder_of
from transformers.models.gemma3 import modeling_gemma3
from transformers.models.llama import modeling_llama

TEXT = Path(__file__).parent / "text"


def int8_groups(x, group):
    """int8 with one scale per row and group: scale = amax/127, to nearest even."""
    columns = x.shape[-1]
    x = torch.nn.functional.pad(x, (0, -columns % group))  # The last group may be shorter.
    g = x.reshape(*x.shape[:-1], -1, group)
    amax = g.abs().amax(-1, keepdim=True)
    inverse = torch.where(amax > 0, 127 / amax, torch.zeros_like(amax))
    return ((g * inverse).round() * (amax * (1 / 127))).reshape(x.shape)[..., :columns]


def int8_affine(x):
    """int8 with a scale and an offset per row and group of 32: 255 steps from the least to the largest value."""
    g = x.reshape(*x.shape[:-1], -1, 32)
    low, high = g.amin(-1, keepdim=True), g.amax(-1, keepdim=True)
    step = ((high - low) / 255).clamp(min=1e-30)
    return (((g - low) / step).round() * step + low).reshape(x.shape)


def int8_planes(x, steps):
    """Two int8 planes per value with one scale per row and group of 32; `steps` is the largest value's."""
    g = x.reshape(*x.shape[:-1], -1, 32)
    step = (g.abs().amax(-1, keepdim=True) / steps).clamp(min=1e-30)
    return ((g / step).round() * step).reshape(x.shape)


def rounded_to(dtype):
    return lambda x: x.to(dtype).float()


ROUNDINGS = {
    "none": lambda x: x, "f16": rounded_to(torch.float16), "bf16": rounded_to(torch.bfloat16),
    "int8/16": lambda x: int8_groups(x, 16), "int8/32": lambda x: int8_groups(x, 32),
    "int8/64": lambda x: int8_groups(x, 64),
    "int8/128": lambda x: int8_groups(x, 128),
    "affine": int8_affine,
    "planes": lambda x: int8_planes(x, 127 * 256), "15 bits": lambda x: int8_planes(x, 127 * 128),
}
WIDE_QKV = dict.fromkeys(("q_proj", "k_proj", "v_proj"), "planes")
# name: (inputs of linears, input of the logits matrix, K and V in the cache, weights[, inputs of single linears])
VARIANTS = {
    "int8/32, KV f16": ("int8/32", "int8/32", "f16", "none"),
    "int8/32, KV bf16": ("int8/32", "int8/32", "bf16", "none"),
    "int8/32, KV f32": ("int8/32", "int8/32", "none", "none"),
    "int8/32 but logits f32, KV f16": ("int8/32", "none", "f16", "none"),
    "logits only int8/32": ("none", "int8/32", "none", "none"),
    "int8/16, KV f16": ("int8/16", "int8/16", "f16", "none"),
    "int8/64, KV f16": ("int8/64", "int8/64", "f16", "none"),
    "int8/128, KV f16": ("int8/128", "int8/128", "f16", "none"),
    "int8/32 affine, KV f16": ("affine", "affine", "f16", "none"),
    "int8/32 affine, logits in two planes, KV f16": ("affine", "planes", "f16", "none"),
    "int8/32, QKV and logits in two planes, KV f16": ("int8/32", "planes", "f16", "none", WIDE_QKV),
    "int8/32, all but gate, up and o in two planes, KV f16":
        ("int8/32", "planes", "f16", "none", WIDE_QKV | {"down_proj": "planes"}),
    "two planes, KV f16": ("planes", "planes", "f16", "none"),
    "two planes of 15 bits, KV f16": ("15 bits", "15 bits", "f16", "none"),  # runtime/device/cpu/KernelAbi.h
    "bf16 activations, exact weights, KV f16": ("bf16", "bf16", "f16", "none"),
    "bf16 x bf16, KV f16": ("bf16", "bf16", "f16", "bf16"),
    "bf16 x bf16, KV bf16": ("bf16", "bf16", "bf16", "bf16"),
    "KV f16 only": ("none", "none", "f16", "none"),
    "KV bf16 only": ("none", "none", "bf16", "none"),
}


class Simulation:
    """Rounds what enters every linear, and K and V before attention, while it is installed on a model."""

    def __init__(self, model):
        self.inputs = self.logits = self.cache = ROUNDINGS["none"]
        self.per_name = {}  # overrides of `inputs` by the linear's last name
        self.layers = None  # only these layers are rounded, if given
        self.linears = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"}
        self.weights = {n: m.weight.data for n, m in self.linears.items()}
        for name, linear in self.linears.items():
            linear.register_forward_pre_hook(lambda m, x, n=name: (self.round_input(n, x[0]),))
        for module in (modeling_llama, modeling_gemma3):
            plain = module.eager_attention_forward

            def attention(layer, q, k, v, mask, plain=plain, **options):
                return plain(layer, q, self.cache(k), self.cache(v), mask, **options)

            module.eager_attention_forward = attention

    def round_input(self, name, x):
        if self.layers is not None and int(name.split(".")[2]) not in self.layers:
            return x
        return self.per_name.get(name.split(".")[-1], self.inputs)(x)

    def use(self, inputs="none", logits="none", cache="none", weights="none", per_name=None, layers=None):
        self.inputs, self.logits, self.cache = ROUNDINGS[inputs], ROUNDINGS[logits], ROUNDINGS[cache]
        self.per_name = {n: ROUNDINGS[r] for n, r in (per_name or {}).items()}
        self.layers = layers
        for name, linear in self.linears.items():
            linear.weight.data = ROUNDINGS[weights](self.weights[name]) if weights != "none" else self.weights[name]


@torch.no_grad()
def compare(model, simulation, contexts, reference, logits_weight=None):
    """Returns (mean KL, max KL, mean nll reference, mean nll variant)."""
    head = model.lm_head.weight
    divergences, nll = [], [[], []]
    for ids, exact in zip(contexts, reference):
        hidden = simulation.logits(model.model(torch.tensor([ids])).last_hidden_state[0])
        for begin in range(0, len(ids), 64):
            part = slice(begin, begin + 64)
            p = (exact[part] @ head.T).log_softmax(-1)
            q = (hidden[part] @ (head if logits_weight is None else logits_weight).T).log_softmax(-1)
            divergences.append((p.exp() * (p - q)).sum(-1))
            following = torch.tensor(ids[begin + 1:begin + 65])
            for logprobs, sums in zip((p, q), nll):
                sums.append(-logprobs[:len(following)].gather(1, following[:, None])[:, 0])
    kl = torch.cat(divergences)
    return kl.mean().item(), kl.max().item(), torch.cat(nll[0]).mean().item(), torch.cat(nll[1]).mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, default=640)
    parser.add_argument("--only", default="")
    parser.add_argument("--localise", metavar="VARIANT", help="round one kind of linear, or one layer, at a time")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    model, _ = load(arguments.model)
    encode = encoder_of(arguments.model)
    contexts = [encode(path.read_text())[:arguments.tokens // 2] for path in (TEXT / "rabbit-hole.txt", TEXT / "code.txt")]
    simulation = Simulation(model)
    with torch.no_grad():
        reference = [model.model(torch.tensor([ids])).last_hidden_state[0] for ids in contexts]

    def report(name, head=None):
        mean, largest, exact, rounded = compare(model, simulation, contexts, reference, head)
        change = 100 * (torch.tensor(rounded - exact).exp().item() - 1)
        print(f"| {name} | {mean:.2e} | {largest:.2e} | {change:+.3f} % |", flush=True)

    print(f"{Path(arguments.model).name}: {sum(map(len, contexts))} positions\n\n"
          "| numerics | mean KL | max KL | perplexity |\n|---|---:|---:|---:|", flush=True)
    if arguments.localise:
        inputs = VARIANTS[arguments.localise][0]
        kinds = sorted({n.split(".")[-1] for n in simulation.linears})
        for kind in kinds:
            simulation.use(per_name={kind: inputs})
            report(f"only {kind}")
        for layer in range(model.config.num_hidden_layers):
            simulation.use(inputs, layers={layer})
            report(f"only layer {layer}")
        return
    for name, (inputs, logits, cache, weights, *per_name) in VARIANTS.items():
        if arguments.only and name not in arguments.only.split(";"):
            continue
        simulation.use(inputs, logits, cache, weights, *per_name)
        report(name, ROUNDINGS["bf16"](model.lm_head.weight) if weights == "bf16" else None)


if __name__ == "__main__":
    sys.exit(main())

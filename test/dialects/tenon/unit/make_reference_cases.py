#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes reference_cases.json: what every tenon op computes, worked out by numpy in float64.

Independent of the C++ reference evaluation that it checks. Run it again after adding a case:
    python3 make_reference_cases.py > reference_cases.json
"""
import json

import numpy as np

rng = np.random.default_rng(20)
cases = []


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def tensor(a):
    a = np.asarray(a)
    kind = "i32" if a.dtype.kind == "i" else "f32"
    values = [int(v) for v in a.ravel()] if kind == "i32" else [float(np.float32(v)) for v in a.ravel()]
    return {"shape": list(a.shape), kind: values}


def case(name, signature, body, inputs, outputs, tolerance=1e-6, **places):
    """`inputs` are arrays, or ("kv", layers, kvHeads, headDim, f16?)."""
    args = [
        {"kv": list(i[1:4]), "f16": i[4]} if isinstance(i, tuple) else tensor(i) for i in inputs
    ]
    cases.append(
        {
            "name": name,
            "module": f"func.func @f({signature[0]}) -> ({signature[1]}) {{\n{body}\n}}",
            "inputs": args,
            "outputs": [tensor(o) for o in outputs],
            "tolerance": tolerance,
            **places,
        }
    )


def rms_norm(x, w, eps):
    x = x.astype(np.float64)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + np.float32(eps)) * w


def silu(x):
    x = x.astype(np.float64)
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    x = x.astype(np.float64)
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def rope(x, table):
    x = x.astype(np.float64)
    half = table.shape[2]
    cos, sin = table[:, None, 0, :], table[:, None, 1, :]
    a, b = x[..., :half], x[..., half : 2 * half]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, x[..., 2 * half :]], -1)


def attention(q, keys, values, positions, sequences, scale, window, cap):
    """keys, values: {(sequence, position): [kvHeads, headDim]}."""
    out = np.zeros(q.shape)
    for t, (p, s) in enumerate(zip(positions, sequences)):
        seen = [j for j in range(p + 1) if not window or p - j < window]
        for h in range(q.shape[1]):
            g = h * keys[(s, p)].shape[0] // q.shape[1]
            k = np.array([keys[(s, j)][g] for j in seen], np.float64)
            v = np.array([values[(s, j)][g] for j in seen], np.float64)
            score = k @ q[t, h].astype(np.float64) * np.float32(scale)
            if cap:
                score = cap * np.tanh(score / cap)
            w = np.exp(score - score.max())
            out[t, h] = w / w.sum() @ v
    return out


def quantize(x):
    """The f32 steps of QuantRow: one scale for 32 columns, 15-bit integers."""
    groups = x.reshape(-1, 32)
    amax = np.abs(groups).max(1, keepdims=True).astype(np.float32)
    scale = amax * np.float32(np.float32(1) / np.float32(16256))
    with np.errstate(divide="ignore"):
        inverse = np.where(amax == 0, np.float32(0), np.float32(16256) / amax).astype(np.float32)
    return (np.rint(groups * inverse).astype(np.float32) * scale).reshape(x.shape)


for rows, k in [(1, 32), (3, 48), (5, 7)]:
    x, w = f32(rows, k, scale=3), f32(k)
    case(f"rms_norm_{rows}x{k}", (f"%x: tensor<?x{k}xf32>, %w: tensor<{k}xf32>", f"tensor<?x{k}xf32>"),
         f"  %0 = tenon.rms_norm %x, %w {{eps = 1.0e-5 : f32}} : (tensor<?x{k}xf32>, tensor<{k}xf32>) -> tensor<?x{k}xf32>\n"
         f"  return %0 : tensor<?x{k}xf32>", [x, w], [rms_norm(x, w, 1e-5)])
x, w = f32(2, 3, 8), f32(8)
case("rms_norm_per_head", ("%x: tensor<?x3x8xf32>, %w: tensor<8xf32>", "tensor<?x3x8xf32>"),
     "  %0 = tenon.rms_norm %x, %w {eps = 1.0e-6 : f32} : (tensor<?x3x8xf32>, tensor<8xf32>) -> tensor<?x3x8xf32>\n"
     "  return %0 : tensor<?x3x8xf32>", [x, w], [rms_norm(x, w, 1e-6)])

for rows, n, k in [(1, 16, 32), (4, 5, 33), (7, 3, 1)]:
    x, w = f32(rows, k), f32(n, k)
    case(f"linear_{rows}x{n}x{k}", (f"%x: tensor<?x{k}xf32>, %w: tensor<{n}x{k}xf32>", f"tensor<?x{n}xf32>"),
         f"  %0 = tenon.linear %x, %w : (tensor<?x{k}xf32>, tensor<{n}x{k}xf32>) -> tensor<?x{n}xf32>\n"
         f"  return %0 : tensor<?x{n}xf32>", [x, w], [x.astype(np.float64) @ w.T.astype(np.float64)])
for cap in [0.0, 2.5]:
    x, w = f32(2, 16), f32(9, 16)
    y = x.astype(np.float64) @ w.T.astype(np.float64)
    case(f"logits_cap_{cap}", ("%x: tensor<?x16xf32>, %w: tensor<9x16xf32>", "tensor<?x9xf32>"),
         f"  %0 = tenon.logits %x, %w {{softcap = {cap} : f32}} : (tensor<?x16xf32>, tensor<9x16xf32>) -> tensor<?x9xf32>\n"
         "  return %0 : tensor<?x9xf32>", [x, w], [cap * np.tanh(y / cap) if cap else y])

for name, act in [("silu", silu), ("gelu_tanh", gelu_tanh)]:
    g, u = f32(3, 10, scale=4), f32(3, 10)
    case(f"gate_{name}", ("%g: tensor<?x10xf32>, %u: tensor<?x10xf32>", "tensor<?x10xf32>"),
         f"  %0 = tenon.gate {name} %g, %u : tensor<?x10xf32>\n  return %0 : tensor<?x10xf32>", [g, u], [act(g) * u])
x, y = f32(3, 5), f32(3, 5)
case("add", ("%x: tensor<?x5xf32>, %y: tensor<?x5xf32>", "tensor<?x5xf32>"),
     "  %0 = tenon.add %x, %y : tensor<?x5xf32>\n  return %0 : tensor<?x5xf32>", [x, y], [x + y], tolerance=0)
case("scale", ("%x: tensor<?x5xf32>", "tensor<?x5xf32>"),
     "  %0 = tenon.scale %x {factor = 0.3 : f32} : tensor<?x5xf32>\n  return %0 : tensor<?x5xf32>", [x],
     [x * np.float32(0.3)], tolerance=0)

x = np.concatenate([f32(2, 32), np.zeros((2, 32), np.float32), f32(2, 32, scale=1e-3)], 1)
case("quantize_rows", ("%x: tensor<?x96xf32>", "tensor<?x96xf32, #tenon.rows<int15, 32>>"),
     "  %0 = tenon.quantize_rows %x : tensor<?x96xf32> -> tensor<?x96xf32, #tenon.rows<int15, 32>>\n"
     "  return %0 : tensor<?x96xf32, #tenon.rows<int15, 32>>", [x], [quantize(x)], tolerance=0)

ids, table = np.array([3, 0, 3, 6], np.int32), f32(7, 6)
case("embed", ("%i: tensor<?xi32>, %t: tensor<7x6xf32>", "tensor<?x6xf32>"),
     "  %0 = tenon.embed %i, %t {scale = 2.5 : f32} : (tensor<?xi32>, tensor<7x6xf32>) -> tensor<?x6xf32>\n"
     "  return %0 : tensor<?x6xf32>", [ids, table], [table[ids] * np.float32(2.5)], tolerance=0)
x, rows = f32(5, 3), np.array([1, 4], np.int32)
case("select_rows", ("%x: tensor<?x3xf32>, %r: tensor<?xi32>", "tensor<?x3xf32>"),
     "  %0 = tenon.select_rows %x, %r : (tensor<?x3xf32>, tensor<?xi32>) -> tensor<?x3xf32>\n"
     "  return %0 : tensor<?x3xf32>", [x, rows], [x[rows]], tolerance=0)
x = f32(2, 12)
case("split_and_merge_heads", ("%x: tensor<?x12xf32>", "tensor<?x3x4xf32>, tensor<?x12xf32>"),
     "  %0 = tenon.split_heads %x : tensor<?x12xf32> -> tensor<?x3x4xf32>\n"
     "  %1 = tenon.merge_heads %0 : tensor<?x3x4xf32> -> tensor<?x12xf32>\n"
     "  return %0, %1 : tensor<?x3x4xf32>, tensor<?x12xf32>", [x], [x.reshape(2, 3, 4), x], tolerance=0)

positions = np.array([0, 1, 17, 4095], np.int32)
freq = (10000.0 ** (-np.arange(6) / 6)).astype(np.float32)
angle = (positions[:, None].astype(np.float32) * freq).astype(np.float64)
table = np.stack([np.cos(angle), np.sin(angle)], 1) * np.float32(1.2)
case("rope_table", ("%p: tensor<?xi32>, %f: tensor<6xf32>", "tensor<?x2x6xf32>"),
     "  %0 = tenon.rope_table %p, %f {scale = 1.2 : f32} : (tensor<?xi32>, tensor<6xf32>) -> tensor<?x2x6xf32>\n"
     "  return %0 : tensor<?x2x6xf32>", [positions, freq], [table])
table32 = table.astype(np.float32)
for dim in [12, 20]:  # 20: eight elements of each head pass through
    x = f32(4, 3, dim)
    case(f"rope_head_of_{dim}", (f"%x: tensor<?x3x{dim}xf32>, %t: tensor<?x2x6xf32>", f"tensor<?x3x{dim}xf32>"),
         f"  %0 = tenon.rope %x, %t : (tensor<?x3x{dim}xf32>, tensor<?x2x6xf32>) -> tensor<?x3x{dim}xf32>\n"
         f"  return %0 : tensor<?x3x{dim}xf32>", [x, table32], [rope(x, table32)])

# name, heads, kvHeads, dim, (positions, sequences), window, cap, f16 cache
for name, H, G, D, (p, s), window, cap, half in [
    ("one_sequence", 2, 2, 8, ([0, 1, 2, 3], [0, 0, 0, 0]), 0, 0.0, False),
    ("grouped_heads", 6, 2, 4, ([0, 1, 2], [5, 5, 5]), 0, 0.0, False),
    ("two_sequences_window_cap", 4, 1, 5, ([0, 1, 2, 3, 0, 1], [1, 1, 1, 1, 0, 0]), 2, 1.5, False),
    ("f16_cache", 3, 3, 16, ([0, 1, 2], [0, 0, 0]), 0, 0.0, True),
]:
    T = len(p)
    q, k, v = f32(T, H, D), f32(T, G, D), f32(T, G, D)
    cached = (lambda a: a.astype(np.float16).astype(np.float32)) if half else (lambda a: a)
    keys = {(s[t], p[t]): cached(k[t]) for t in range(T)}
    values = {(s[t], p[t]): cached(v[t]) for t in range(T)}
    out = attention(q, keys, values, p, s, 0.3, window, cap)
    qt, kt, kv = f"tensor<?x{H}x{D}xf32>", f"tensor<?x{G}x{D}xf32>", f"!tenon.kv<{G}, {D}>"
    attrs = f"window = {window} : i32, softcap = {cap} : f32"
    sig = (f"%q: {qt}, %k: {kt}, %v: {kt}, %kv: {kv}", qt)
    inputs = [q, k, v, ("kv", 1, G, D, half)]
    case("attention_" + name, sig,
         f"  %0 = tenon.attention %q, %k, %v, %kv {{scale = 0.3 : f32, {attrs}}} : ({qt}, {kt}, {kt}, {kv}) -> {qt}\n"
         f"  return %0 : {qt}", inputs, [out], 2e-6, positions=p, sequences=s)
    case("split_attention_" + name, sig,
         f"  %s = tenon.scale %q {{factor = 0.3 : f32}} : {qt}\n"
         f"  %1 = tenon.kv_append %k, %v, %kv : ({kt}, {kt}, {kv}) -> {kv}\n"
         f"  %0 = tenon.attend %s, %1 {{{attrs}}} : ({qt}, {kv}) -> {qt}\n"
         f"  return %0 : {qt}", inputs, [out], 2e-6, positions=p, sequences=s)

x, w = f32(2, 8), f32(8)
case("fused", ("%x: tensor<?x8xf32>, %w: tensor<8xf32>", "tensor<?x8xf32>"),
     '  %0 = tenon.fused "norm_add"(%a = %x : tensor<?x8xf32>, %b = %w : tensor<8xf32>) -> tensor<?x8xf32> {\n'
     "    %1 = tenon.rms_norm %a, %b {eps = 1.0e-5 : f32} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>\n"
     "    %2 = tenon.add %a, %1 : tensor<?x8xf32>\n    tenon.yield %2 : tensor<?x8xf32>\n  }\n"
     "  return %0 : tensor<?x8xf32>", [x, w], [x + rms_norm(x, w, 1e-5)])

print(json.dumps(cases, indent=None, separators=(",", ":")).replace('},{"name"', '},\n{"name"'))

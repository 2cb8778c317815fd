// RUN: tenon-opt %s --tenon-plan-arena --split-input-file | FileCheck %s
//
// @x lives through the whole step. @n and @h are not needed at the same time and share bytes. @s grows with
// logit rows and @x with tokens: neither is larger for every step, so they must lie apart as forms.

// CHECK: arena <768 T + 512 S>
// CHECK-NEXT: plan.buffer @x at <0> size <256 T>
// CHECK-NEXT: plan.buffer @n at <256 T> size <256 T>
// CHECK-NEXT: plan.buffer @h at <512 T> size <256 T>
// What must not share: @y is read by the launch that writes @h.
// CHECK-NEXT: plan.buffer @y at <256 T> size <256 T>
// CHECK-NEXT: plan.buffer @s at <256 T> size <256 S>
// CHECK-NEXT: plan.buffer @l at <256 T + 256 S> size <256 S>
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 T + 256 S> weights 16704 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @n at <0> size <256 T>
    plan.buffer @h at <0> size <256 T>
    plan.buffer @y at <0> size <256 T>
    plan.buffer @s at <0> size <256 S>
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @norm "norm_quant" {k = 64 : i64} scratch 0
  plan.kernel @linear "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @add "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, residual} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @norm "norm" (buffer @x, weight @w, buffer @n) cost <bytes = 0>
    plan.launch @linear "up" (buffer @n, weight @m, buffer @h) cost <bytes = 0>
    plan.launch @linear "again" (buffer @h, weight @m, buffer @y) cost <bytes = 0>
    plan.launch @add "down" (buffer @y, weight @m, buffer @x) cost <bytes = 0>
    plan.launch @gather "norm" (buffer @x, weight @w, buffer @s) cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

// -----

// A workspace keeps its content from step to step: nothing else may lie on it, not even what is written after its
// last use.
// CHECK: arena <256 T + 384 S + 256 W>
// CHECK-NEXT: plan.buffer @q at <0> size <128 T>
// CHECK-NEXT: plan.buffer @a at <128 T> size <128 T>
// CHECK-NEXT: plan.buffer @w at <256 T + 256 S> size <256 W>
// CHECK-NEXT: plan.buffer @s at <256 T + 256 S + 256 W> size <128 S>
// CHECK-NEXT: plan.buffer @l at <0> size <256 S>
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 32 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 T + 256 S + 256 W> weights 8320 {
    plan.buffer @q at <0> size <128 T>
    plan.buffer @a at <0> size <128 T>
    plan.buffer @w at <0> size <256 W>
    plan.buffer @s at <0> size <128 S>
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
  plan.weight @n f32 rows 1 columns 32 at 0 size 128
  plan.weight @m f32 rows 64 columns 32 at 128 size 8192 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 32 : i64, n = 64 : i64} scratch 0
  plan.kernel @attention "attention" {context = 64 : i64, head_dim = 32 : i64, heads = 1 : i64, kv_heads = 1 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 32 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 32 : i64, logits, n = 64 : i64} scratch 0
  plan.function @step {
    plan.launch @embed "embed" (buffer @q, weight @m) cost <bytes = 0>
    plan.launch @attention "attention" (buffer @q, k_pool, v_pool, buffer @a, buffer @w) cost <bytes = 0>
    plan.launch @gather "norm" (buffer @a, weight @n, buffer @s) cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

// -----

// The logits of a pipeline lie apart from everything: those of one micro-batch are there while the next is computed.
// On one chip @l would lie on @x, which is read for the last time before.
// CHECK: plan.chip 1 kind "cpu" program 1 arena <256 T + 512 S>
// CHECK-NEXT: plan.buffer @x at <0> size <256 T>
// CHECK-NEXT: plan.buffer @s at <256 T> size <256 S>
// CHECK-NEXT: plan.buffer @l at <256 T + 256 S> size <256 S>
plan.engine producer "" target "cpu" grid [2, 1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 2 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 T> weights 16384 kv 0 x 0 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @s at <0> size <0>
    plan.buffer @l at <0> size <0>
  }
  plan.chip 1 kind "cpu" program 1 arena <256 T + 512 S> weights 16640 kv 0 x 0 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @s at <0> size <256 S>
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 2 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
  plan.weight @m f32 rows 64 columns 64 at 0 size 16384 packed
  plan.weight @w f32 rows 1 columns 64 at 0 size 256 program 1
  plan.weight @o f32 rows 64 columns 64 at 256 size 16384 packed program 1
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @first {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.collective send "x" from @x axis 0 columns [0, 64] cause "" cost <bytes = 0>
  }
  plan.function @second {
    plan.collective receive "x" to @x axis 0 columns [0, 64] cause "" cost <bytes = 0>
    plan.launch @gather "norm" (buffer @x, weight @w, buffer @s) cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @o, buffer @l) cost <bytes = 0>
  }
  plan.call @first weights [] kv_layer 0
  plan.call @second weights [] kv_layer 0 program 1
}

// -----

// What is pooled stays where it is until the end of the step: the logits may not take its place.
// CHECK: arena <256 T + 512 S>
// CHECK-NEXT: plan.buffer @x at <0> size <256 T>
// CHECK-NEXT: plan.buffer @s at <256 T> size <256 S>
// CHECK-NEXT: plan.buffer @l at <256 T + 256 S> size <256 S>
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 T + 256 S> weights 16704 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @s at <0> size <256 S>
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @gather "norm" (buffer @x, weight @w, buffer @s) cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
  plan.pooling hidden @x norm @w eps 1.0e-5
}

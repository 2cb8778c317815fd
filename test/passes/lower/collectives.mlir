// RUN: tenon-opt %s --split-input-file --tenon-place-barriers | FileCheck %s
//
// What collectives are to barriers: one themselves, with a fence only where a chip would write what others may still read.

plan.engine producer "" target "cpu" grid [1, 2] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <1024 T + 768 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @a at <256 T> size <256 T>
    plan.buffer @b at <512 T> size <256 T>
    plan.buffer @n at <768 T> size <256 T>
    plan.buffer @s at <1024 T> size <256 S>
    plan.buffer @p at <1024 T + 256 S> size <256 S>
    plan.buffer @l at <1024 T + 512 S> size <256 S>
  }
  plan.chip 1 kind "cpu" arena <1024 T + 768 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @a at <256 T> size <256 T>
    plan.buffer @b at <512 T> size <256 T>
    plan.buffer @n at <768 T> size <256 T>
    plan.buffer @s at <1024 T> size <256 S>
    plan.buffer @p at <1024 T + 256 S> size <256 S>
    plan.buffer @l at <1024 T + 512 S> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @norm "norm_quant" {k = 64 : i64} scratch 0
  plan.kernel @linear "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  // CHECK-LABEL: plan.function @two_in_turn
  plan.function @two_in_turn {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    // CHECK: "first" (buffer @x, weight @m, buffer @a) barrier
    plan.launch @linear "first" (buffer @x, weight @m, buffer @a) cost <bytes = 0>
    // @a is written again only after the next collective: no fence, and one that stood here is dropped.
    // CHECK: plan.collective all_reduce "sum a" from @a to @x axis 1 columns [0, 64] add cause
    plan.collective all_reduce "sum a" from @a to @x axis 1 columns [0, 64] add fence cause "" cost <bytes = 0>
    // The same worker's rows of @x.
    // CHECK: "norm" (buffer @x, weight @w, buffer @n) cost
    plan.launch @norm "norm" (buffer @x, weight @w, buffer @n) cost <bytes = 0>
    // CHECK: "second" (buffer @n, weight @m, buffer @b) barrier
    plan.launch @linear "second" (buffer @n, weight @m, buffer @b) cost <bytes = 0>
    // CHECK: plan.collective all_reduce "sum b" from @b to @x axis 1 columns [0, 64] add cause
    plan.collective all_reduce "sum b" from @b to @x axis 1 columns [0, 64] add cause "" cost <bytes = 0>
    // CHECK: "again" (buffer @x, weight @m, buffer @a) barrier
    plan.launch @linear "again" (buffer @x, weight @m, buffer @a) cost <bytes = 0>
    // CHECK: plan.collective all_reduce "sum a again" {{.*}} add cause
    plan.collective all_reduce "sum a again" from @a to @x axis 1 columns [0, 64] add cause "" cost <bytes = 0>
    // CHECK: "rows" (buffer @x, weight @w, buffer @s) barrier
    plan.launch @gather "rows" (buffer @x, weight @w, buffer @s) cost <bytes = 0>
    // CHECK: "logits" (buffer @s, weight @m, buffer @p) barrier
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @p) cost <bytes = 0>
    // CHECK: plan.collective gather_columns "all" from @p to @l axis 1 columns [0, 32, 64] logit_rows cause
    plan.collective gather_columns "all" from @p to @l axis 1 columns [0, 32, 64] logit_rows cause "" cost <bytes = 0>
  }
  plan.call @two_in_turn weights [] kv_layer 0
}

// -----

plan.engine producer "" target "cpu" grid [1, 2] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <1024 T + 768 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @a at <256 T> size <256 T>
    plan.buffer @b at <512 T> size <256 T>
    plan.buffer @n at <768 T> size <256 T>
    plan.buffer @s at <1024 T> size <256 S>
    plan.buffer @p at <1024 T + 256 S> size <256 S>
    plan.buffer @l at <1024 T + 512 S> size <256 S>
  }
  plan.chip 1 kind "cpu" arena <1024 T + 768 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @a at <256 T> size <256 T>
    plan.buffer @b at <512 T> size <256 T>
    plan.buffer @n at <768 T> size <256 T>
    plan.buffer @s at <1024 T> size <256 S>
    plan.buffer @p at <1024 T + 256 S> size <256 S>
    plan.buffer @l at <1024 T + 512 S> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @norm "norm_quant" {k = 64 : i64} scratch 0
  plan.kernel @linear "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  // CHECK-LABEL: plan.function @overwrites
  plan.function @overwrites {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @linear "first" (buffer @x, weight @m, buffer @a) cost <bytes = 0>
    // @a is written before any other collective shows that the other chip has read it.
    // CHECK: plan.collective all_reduce "sum a" from @a to @x axis 1 columns [0, 64] add fence cause
    plan.collective all_reduce "sum a" from @a to @x axis 1 columns [0, 64] add cause "" cost <bytes = 0>
    plan.launch @linear "second" (buffer @x, weight @m, buffer @a) cost <bytes = 0>
    plan.collective all_reduce "sum again" from @a to @x axis 1 columns [0, 64] add cause "" cost <bytes = 0>
    plan.launch @gather "rows" (buffer @x, weight @w, buffer @s) cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) cost <bytes = 0>
  }
  plan.call @overwrites weights [] kv_layer 0
}

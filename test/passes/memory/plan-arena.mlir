// RUN: tenon-opt %s --tenon-plan-arena | FileCheck %s
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

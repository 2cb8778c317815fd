// RUN: tenon-opt %s --tenon-memory | FileCheck %s
// RUN: tenon-opt %s --tenon-memory | tenon-opt --tenon-memory | FileCheck %s
//
// The whole stage on a plan that says what there is and not where: weights in order of use, buffers side by side unless
// they can share bytes (plan-arena.mlir), KV blocks, limits. Run on its own result it must change nothing.

// (ceil(64 / 16) + 15 * 8) blocks of 2048 bytes.
// CHECK: plan.limits context 64 step_tokens 512 to 8192 sequences 16 to 1024 kv_bytes 253952
// CHECK: plan.chip 0 kind "cpu" arena <512 T + 512 S> weights 33024
// CHECK-NEXT: plan.buffer @x at <0> size <256 T>
// CHECK-NEXT: plan.buffer @h at <256 T> size <256 T>
// CHECK-NEXT: plan.buffer @s at <512 T> size <256 S>
// CHECK-NEXT: plan.buffer @l at <512 T + 256 S> size <256 S>
// CHECK: plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
// What is read first comes first.
// CHECK: plan.weight @m f32 rows 64 columns 64 at 0 size 16384 packed
// CHECK: plan.weight @n f32 rows 1 columns 64 at 16384 size 256
// CHECK: plan.weight @w f32 rows 64 columns 64 at 16640 size 16384 packed
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 0 to 0 sequences 0 to 0 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 T + 256 S> weights 33024 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @h at <0> size <256 T>
    plan.buffer @s at <0> size <256 S>
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
  plan.weight @w f32 rows 64 columns 64 at 0 size 16384 packed
  plan.weight @m f32 rows 64 columns 64 at 16384 size 16384 packed
  plan.weight @n f32 rows 1 columns 64 at 32768 size 256
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @linear "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {gather_logit_rows, k = 64 : i64} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @linear "up" (buffer @x, weight @m, buffer @h) cost <bytes = 0>
    plan.launch @gather "norm" (buffer @h, weight @n, buffer @s) cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @w, buffer @l) cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

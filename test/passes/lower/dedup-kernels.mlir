// RUN: tenon-opt %s --tenon-dedup-kernels | FileCheck %s
//
// Kernels of equal specs become one, named by number and kind in the order of launches. One field apart is
// another kernel. A kernel without launches is dropped.

// CHECK: plan.kernel @k0_quantize "quantize" {k = 64 : i64} scratch 64
// CHECK-NEXT: plan.kernel @k1_quantize "quantize" {k = 32 : i64} scratch 0
// CHECK-NOT: plan.kernel
// CHECK: plan.launch @k0_quantize "first"
// CHECK-NEXT: plan.launch @k1_quantize "narrow"
// CHECK-NEXT: plan.launch @k0_quantize "second"
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 0 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @q at <256 T> size <256 T>
    plan.buffer @l at <512 T> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
  plan.kernel @unused "quantize" {k = 96 : i64} scratch 0
  plan.kernel @b "quantize" {k = 64 : i64} scratch 64
  plan.kernel @c "quantize" {k = 32 : i64} scratch 0
  plan.kernel @a "quantize" {k = 64 : i64} scratch 0
  plan.function @f {
    plan.launch @a "first" (buffer @x, buffer @q) cost <bytes = 0>
    plan.launch @c "narrow" (buffer @x, buffer @q) cost <bytes = 0>
    plan.launch @b "second" (buffer @x, buffer @q) cost <bytes = 0>
  }
}

// RUN: tenon-opt %s --tenon-order-weights | FileCheck %s
//
// Weights come in the order in which a step first reads them: of the first call before the second, a
// weight that both read once. Stored and made weights are laid out apart; what nothing reads is dropped.

// CHECK: plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 70016
// CHECK: plan.weight @first f32 rows 1 columns 64 at 0 size 256
// CHECK-NEXT: plan.weight @big f16 rows 512 columns 64 at 4096 size 65536 packed
// CHECK-NEXT: plan.weight @made f32 rows 1 columns 64 at 0 size 256 seed 9
// CHECK-NEXT: plan.weight @last f32 rows 1 columns 64 at 69632 size 256
// A weight that a call hands over and its function does not read stays, behind all others.
// CHECK-NEXT: plan.weight @unread f32 rows 1 columns 32 at 69888 size 128
// CHECK-NOT: plan.weight @unused
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 90112 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @n at <256 T> size <256 T>
    plan.buffer @l at <512 T> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
  plan.weight @last f32 rows 1 columns 64 at 0 size 256
  plan.weight @made f32 rows 1 columns 64 at 0 size 256 seed 9
  plan.weight @unused f32 rows 1 columns 64 at 256 size 256
  plan.weight @unread f32 rows 1 columns 32 at 512 size 128
  plan.weight @first f32 rows 1 columns 64 at 640 size 256
  plan.weight @big f16 rows 512 columns 64 at 1024 size 65536 packed
  plan.kernel @embed "embed" {formats = ["f16"], k = 64 : i64, n = 512 : i64} scratch 0
  plan.kernel @norm "norm_quant" {k = 64 : i64} scratch 0
  plan.function @layer {
    plan.launch @norm "norm" (buffer @x, layer_weight 0, buffer @n) cost <bytes = 0>
  }
  plan.function @begin {
    plan.launch @norm "norm" (buffer @x, weight @first, buffer @n) cost <bytes = 0>
    plan.launch @embed "embed" (buffer @x, weight @big) cost <bytes = 0>
  }
  plan.call @begin weights [] kv_layer 0
  plan.call @layer weights [@made] kv_layer 0
  plan.call @layer weights [@last, @unread] kv_layer 0
  plan.call @layer weights [@first] kv_layer 0
}

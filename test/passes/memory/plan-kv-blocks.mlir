// RUN: tenon-opt %s --tenon-plan-kv-blocks | FileCheck %s

// Two pools (K and V) x 30 layers x 3 heads x 64 dimensions x 16 tokens x 2 bytes.
// CHECK: plan.kv layers 30 heads 3 dim 64 block_tokens 16 element_bytes 2 bytes_per_block 368640
// The number of blocks is not the plan's to fix: the default memory stays as it is.
// CHECK: kv_bytes 7
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.kv layers 30 heads 3 dim 64 block_tokens 0 element_bytes 0 bytes_per_block 0
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 7
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.chip 0 kind "cpu" arena <256 S> weights 0 {
    plan.buffer @l at <0> size <256 S>
  }
}

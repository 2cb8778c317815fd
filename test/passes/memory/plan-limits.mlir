// RUN: tenon-opt %s --tenon-plan-limits --split-input-file --verify-diagnostics | FileCheck %s

// (ceil(1000 / 16) + 15 * 8) blocks of 4096 bytes.
// CHECK: plan.limits context 1000 step_tokens 512 to 8192 sequences 16 to 1024 kv_bytes 749568
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 1000 step_tokens 0 to 0 sequences 0 to 0 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 S> weights 0 {
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 2 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 4096
}

// -----

// What is stated is kept.
// CHECK: plan.limits context 64 step_tokens 32 to 64 sequences 16 to 16 kv_bytes 99999
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 32 to 64 sequences 16 to 16 kv_bytes 99999
  plan.chip 0 kind "cpu" arena <256 S> weights 0 {
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 2 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 4096
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 0 to 0 sequences 0 to 0 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 S> weights 0 {
    plan.buffer @l at <0> size <256 S>
  }
  // expected-error @below {{has no block geometry yet; run --tenon-plan-kv-blocks before --tenon-plan-limits}}
  plan.kv layers 2 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
}

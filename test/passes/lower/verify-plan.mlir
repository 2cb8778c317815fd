// RUN: tenon-opt %s --tenon-verify-plan --split-input-file --verify-diagnostics

// A sound plan.
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <256 T + 512 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @s at <256 T> size <256 S>
    plan.buffer @l at <256 T + 256 S> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @gather "gather" (buffer @x, weight @w, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  // expected-error @below {{kv_bytes is 4096, but one sequence of 64 tokens takes 8192}}
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 4096
  plan.chip 0 kind "cpu" arena <256 S> weights 0 {
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <256 S> weights 0 {
    plan.buffer @l at <0> size <256 S>
  }
  // expected-error @below {{has no block geometry}}
  plan.kv layers 1 heads 1 dim 32 block_tokens 0 element_bytes 0 bytes_per_block 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <256 S> weights 16384 {
    // expected-error @below {{is read, but no earlier launch of the step writes it}}
    plan.buffer @s at <0> size <256 S>
    plan.buffer @l at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @m f32 rows 64 columns 64 at 0 size 16384 packed
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @step {
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <256 T + 512 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    // Larger or smaller than @x, depending on the step.
    // expected-error @below {{shares bytes with @x, and both are needed at the same time}}
    plan.buffer @s at <256 S> size <256 S>
    plan.buffer @l at <256 T> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @gather "gather" (buffer @x, weight @w, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <256 T + 512 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @s at <256 T> size <256 S>
    plan.buffer @l at <256 T + 256 S> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    // expected-error @below {{"gather" needs a barrier after "embed"}}
    plan.launch @gather "gather" (buffer @x, weight @w, buffer @s) cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

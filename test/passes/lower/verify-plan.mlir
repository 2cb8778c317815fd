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

// -----

// The logits may not take the workspace's place, although attention is done by then: the next step finds them there.
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 32 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <256 T + 384 S + 256 W> weights 8320 {
    plan.buffer @q at <0> size <128 T>
    plan.buffer @a at <128 T> size <128 T>
    plan.buffer @w at <256 T + 128 S> size <256 W>
    plan.buffer @s at <256 T> size <128 S>
    // expected-error @below {{shares bytes with @w, and both are needed at the same time}}
    plan.buffer @l at <256 T + 128 S> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @n f32 rows 1 columns 32 at 0 size 128
  plan.weight @m f32 rows 64 columns 32 at 128 size 8192 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 32 : i64, n = 64 : i64} scratch 0
  plan.kernel @attention "attention" {context = 64 : i64, head_dim = 32 : i64, heads = 1 : i64, kv_heads = 1 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 32 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 32 : i64, logits, n = 64 : i64} scratch 0
  plan.function @step {
    plan.launch @embed "embed" (buffer @q, weight @m) cost <bytes = 0>
    plan.launch @attention "attention" (buffer @q, k_pool, v_pool, buffer @a, buffer @w) barrier cost <bytes = 0>
    plan.launch @gather "norm" (buffer @a, weight @n, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 32 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <256 T + 256 S + 256 W> weights 8320 {
    plan.buffer @q at <0> size <128 T + 256 W>
    plan.buffer @a at <128 T + 256 W> size <128 T>
    plan.buffer @l at <256 T + 256 W> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @m f32 rows 64 columns 32 at 128 size 8192 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 32 : i64, n = 64 : i64} scratch 0
  plan.kernel @attention "attention" {context = 64 : i64, head_dim = 32 : i64, heads = 1 : i64, kv_heads = 1 : i64} scratch 0
  plan.function @step {
    // expected-error @below {{"embed" uses @q for rows, but it is a workspace of other launches}}
    plan.launch @embed "embed" (buffer @q, weight @m) cost <bytes = 0>
    plan.launch @attention "attention" (buffer @q, k_pool, v_pool, buffer @a, buffer @q) barrier cost <bytes = 0>
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
    // expected-error @below {{shares bytes with @x, and both are needed at the same time}}
    plan.buffer @l at <0> size <256 S>
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
  plan.pooling hidden @x norm @w eps 1.0e-5
}

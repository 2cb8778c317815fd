// RUN: tenon-opt %s --split-input-file --tenon-verify-plan --verify-diagnostics

// Sound: the fence lets @a be written again.
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
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @linear "first" (buffer @x, weight @m, buffer @a) barrier cost <bytes = 0>
    // Others have read @a when this returns.
    plan.collective all_reduce "sum a" from @a to @x axis 1 columns [0, 64] add fence cause "" cost <bytes = 0>
    plan.launch @linear "second" (buffer @x, weight @m, buffer @a) barrier cost <bytes = 0>
    plan.collective all_reduce "sum again" from @a to @x axis 1 columns [0, 64] add cause "" cost <bytes = 0>
    plan.launch @gather "rows" (buffer @x, weight @w, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
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
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @linear "first" (buffer @x, weight @m, buffer @a) barrier cost <bytes = 0>
    // expected-error @below {{"sum a" needs a fence: other chips may still read @a when "second" writes there}}
    plan.collective all_reduce "sum a" from @a to @x axis 1 columns [0, 64] add cause "" cost <bytes = 0>
    plan.launch @linear "second" (buffer @x, weight @m, buffer @a) barrier cost <bytes = 0>
    plan.collective all_reduce "sum again" from @a to @x axis 1 columns [0, 64] add cause "" cost <bytes = 0>
    plan.launch @gather "rows" (buffer @x, weight @w, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

// -----

// Sound: rows of each chip's own, gathered before they are read.
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
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @linear "first" (buffer @x, weight @m, buffer @a) barrier cost <bytes = 0>
    plan.collective all_reduce "sum" from @a to @x axis 1 columns [0, 64] add own_rows 8 cause "" cost <bytes = 0>
    plan.launch @norm "norm" (buffer @x, weight @w, buffer @n) own_rows 8 cost <bytes = 0>
    plan.collective gather_rows "norm" to @n axis 1 columns [0, 64] own_rows 8 cause "" cost <bytes = 0>
    plan.launch @linear "second" (buffer @n, weight @m, buffer @b) barrier cost <bytes = 0>
    plan.collective all_reduce "sum again" from @b to @x axis 1 columns [0, 64] add own_rows 8 cause "" cost <bytes = 0>
    plan.collective gather_rows "x" to @x axis 1 columns [0, 64] own_rows 8 cause "" cost <bytes = 0>
    plan.launch @gather "rows" (buffer @x, weight @w, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
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
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @linear "first" (buffer @x, weight @m, buffer @a) barrier cost <bytes = 0>
    plan.collective all_reduce "sum" from @a to @x axis 1 columns [0, 64] add own_rows 8 cause "" cost <bytes = 0>
    plan.launch @norm "norm" (buffer @x, weight @w, buffer @n) own_rows 8 cost <bytes = 0>
    // expected-error @below {{"second" reads rows of @n that only other chips have in a step of 8 rows; a gather_rows has to stand before it}}
    plan.launch @linear "second" (buffer @n, weight @m, buffer @b) barrier cost <bytes = 0>
    plan.collective all_reduce "sum again" from @b to @x axis 1 columns [0, 64] add own_rows 8 cause "" cost <bytes = 0>
    plan.collective gather_rows "x" to @x axis 1 columns [0, 64] own_rows 8 cause "" cost <bytes = 0>
    plan.launch @gather "rows" (buffer @x, weight @w, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
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
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @linear "first" (buffer @x, weight @m, buffer @a) barrier cost <bytes = 0>
    plan.collective all_reduce "sum" from @a to @x axis 1 columns [0, 64] add own_rows 8 cause "" cost <bytes = 0>
    // expected-error @below {{"norm" has own_rows 9 and an earlier launch 8; all of a step change at one number of rows}}
    plan.launch @norm "norm" (buffer @x, weight @w, buffer @n) barrier own_rows 9 cost <bytes = 0>
    plan.collective gather_rows "norm" to @n axis 1 columns [0, 64] own_rows 8 cause "" cost <bytes = 0>
    plan.launch @linear "second" (buffer @n, weight @m, buffer @b) barrier cost <bytes = 0>
    plan.collective all_reduce "sum again" from @b to @x axis 1 columns [0, 64] add own_rows 8 cause "" cost <bytes = 0>
    plan.collective gather_rows "x" to @x axis 1 columns [0, 64] own_rows 8 cause "" cost <bytes = 0>
    plan.launch @gather "rows" (buffer @x, weight @w, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
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
  plan.function @step {
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    plan.launch @linear "first" (buffer @x, weight @m, buffer @a) barrier cost <bytes = 0>
    plan.collective all_reduce "sum" from @a to @x axis 1 columns [0, 64] add own_rows 8 cause "" cost <bytes = 0>
    plan.launch @norm "norm" (buffer @x, weight @w, buffer @n) own_rows 8 cost <bytes = 0>
    plan.collective gather_rows "norm" to @n axis 1 columns [0, 64] own_rows 8 cause "" cost <bytes = 0>
    // expected-error @below {{"second" needs a barrier after "norm"}}
    plan.launch @linear "second" (buffer @n, weight @m, buffer @b) cost <bytes = 0>
    plan.collective all_reduce "sum again" from @b to @x axis 1 columns [0, 64] add own_rows 8 cause "" cost <bytes = 0>
    plan.collective gather_rows "x" to @x axis 1 columns [0, 64] own_rows 8 cause "" cost <bytes = 0>
    plan.launch @gather "rows" (buffer @x, weight @w, buffer @s) barrier cost <bytes = 0>
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) barrier cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

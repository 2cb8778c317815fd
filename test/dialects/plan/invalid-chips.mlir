// RUN: tenon-opt %s --split-input-file --verify-diagnostics

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
    // expected-error @below {{columns must be 3 ascending edges from 0}}
    plan.collective gather_columns "c" from @p to @l axis 1 columns [0, 64] logit_rows cause "" cost <bytes = 0>
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
    // expected-error @below {{is along axis 2 of a grid of 2}}
    plan.collective all_reduce "c" from @a to @x axis 2 columns [0, 64] cause "" cost <bytes = 0>
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
    // expected-error @below {{gives and gets the same buffer @a}}
    plan.collective all_reduce "c" from @a to @a axis 1 columns [0, 64] cause "" cost <bytes = 0>
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
    // expected-error @below {{must name from and to}}
    plan.collective all_reduce "c" from @a axis 1 columns [0, 64] cause "" cost <bytes = 0>
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
    // expected-error @below {{must name from and no to}}
    plan.collective send "c" from @a to @x axis 0 columns [0, 64] cause "" cost <bytes = 0>
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
    // expected-error @below {{adds, and only all_reduce can}}
    plan.collective receive "c" to @x axis 0 columns [0, 64] add cause "" cost <bytes = 0>
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
    // expected-error @below {{names no buffer: @nowhere}}
    plan.collective all_reduce "c" from @a to @nowhere axis 1 columns [0, 64] cause "" cost <bytes = 0>
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
    // expected-error @below {{needs #plan.extent<260 T> of buffer @a}}
    plan.collective all_reduce "c" from @a to @x axis 1 columns [0, 65] cause "" cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

// -----

// expected-error @below {{has chips of 1 programs; they are numbered from 0 without a gap}}
plan.engine producer "" target "cpu" grid [1, 2] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" program 1 arena <1024 T + 768 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @a at <256 T> size <256 T>
    plan.buffer @b at <512 T> size <256 T>
    plan.buffer @n at <768 T> size <256 T>
    plan.buffer @s at <1024 T> size <256 S>
    plan.buffer @p at <1024 T + 256 S> size <256 S>
    plan.buffer @l at <1024 T + 512 S> size <256 S>
  }
  plan.chip 1 kind "cpu" program 1 arena <1024 T + 768 S> weights 16640 {
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
  // expected-error @below {{has parts for 3 chips, and the grid's last axis has 2}}
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed part <0, [0, 64, 128]>
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @norm "norm_quant" {k = 64 : i64} scratch 0
  plan.kernel @linear "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
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
    // expected-error @below {{needs own_rows: from how many rows of a step on}}
    plan.collective gather_rows "c" to @a axis 1 columns [0, 64] cause "" cost <bytes = 0>
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
    // expected-error @below {{gives bf16, and only all_reduce can}}
    plan.collective send "c" from @a axis 0 columns [0, 64] bf16 cause "" cost <bytes = 0>
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
    // expected-error @below {{has own_rows, and only all_reduce and gather_rows can}}
    plan.collective send "c" from @a axis 0 columns [0, 64] own_rows 4 cause "" cost <bytes = 0>
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
    // expected-error @below {{has own_rows, and only kernels that work row by row can}}
    plan.launch @linear "c" (buffer @x, weight @m, buffer @a) own_rows 4 cost <bytes = 0>
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
    plan.launch @linear "p" (buffer @x, weight @m, buffer @a) cost <bytes = 0>
    // expected-error @below {{overlaps, and only collectives of own rows can, from as many rows on}}
    plan.collective all_reduce "c" from @a to @x axis 1 columns [0, 64] own_rows 8 overlap 4 blocks 2 cause "" cost <bytes = 0>
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
    plan.launch @linear "p" (buffer @x, weight @m, buffer @b) cost <bytes = 0>
    // expected-error @below {{overlaps, and no product of its rows stands beside it}}
    plan.collective all_reduce "c" from @a to @x axis 1 columns [0, 64] own_rows 8 overlap 8 blocks 2 cause "" cost <bytes = 0>
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
    plan.collective gather_rows "g" to @x axis 1 columns [0, 64] own_rows 8 overlap 8 blocks 2 cause "" cost <bytes = 0>
    plan.launch @linear "p" (buffer @x, weight @m, buffer @a) cost <bytes = 0>
    // expected-error @below {{overlaps with "p", and so does the collective before that}}
    plan.collective all_reduce "c" from @a to @x axis 1 columns [0, 64] own_rows 8 overlap 8 blocks 2 cause "" cost <bytes = 0>
  }
  plan.call @step weights [] kv_layer 0
}

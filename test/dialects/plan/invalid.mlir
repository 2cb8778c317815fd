// RUN: tenon-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{must hold exactly one plan.model, not 0}}
plan.engine producer "" target "cpu" grid [1] logits @x {
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{bos 64 is not a token of 64}}
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 bos 64 eos [] weights "f32"
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{default step tokens 512 exceed the maximum 256}}
  plan.limits context 256 step_tokens 512 to 256 sequences 16 to 16 kv_bytes 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{sequences must be multiples of 16}}
  plan.limits context 256 step_tokens 256 to 256 sequences 5 to 16 kv_bytes 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{bytes_per_block is 4000, but keys and values of a block take 4096}}
  plan.kv layers 2 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 4000
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.chip 0 kind "cpu" arena <256 T> weights 0 {
    // expected-error @below {{does not lie within the arena #plan.extent<256 T>}}
    plan.buffer @x at <64 T> size <256 T>
  }
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.chip 0 kind "cpu" arena <256 T> weights 0 {
    // expected-error @below {{offset and size must be multiples of 64 bytes}}
    plan.buffer @x at <0> size <6 T>
  }
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{size is 100, but its format and shape take 2304}}
  plan.weight @w q4_0 rows 64 columns 64 at 0 size 100 packed
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{columns 60 must be a non-zero multiple of 32}}
  plan.weight @w q4_0 rows 64 columns 60 at 0 size 100 packed
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{that is not packed must be f32}}
  plan.weight @w f16 rows 1 columns 64 at 0 size 128
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{unknown kernel kind 'sgemm'}}
  plan.kernel @k "sgemm" {} scratch 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{unknown spec field 'colour'}}
  plan.kernel @k "quantize" {k = 64 : i64, colour = "red"} scratch 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{spec field 'k' has a value of the wrong kind}}
  plan.kernel @k "quantize" {k = "64"} scratch 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  // expected-error @below {{quant_in must be set exactly if the weights have a block format}}
  plan.kernel @k "linear" {k = 64 : i64, n = 64 : i64, formats = ["q4_0"]} scratch 0
}

// -----

// expected-error @below {{grid has 2 points, but there are 1 chips}}
plan.engine producer "" target "cpu" grid [2] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.chip 0 kind "cpu" arena <0> weights 0 {
  }
}

// -----

// A launch is checked against what its kernel takes.
plan.engine producer "" target "cpu" grid [1] logits @x {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 T + 256 S> weights 256 {
    plan.buffer @x at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.kernel @k "quantize" {k = 64 : i64} scratch 0
  plan.function @f {
    // expected-error @below {{pointer 'x' needs #plan.extent<256 T>, but buffer @x has #plan.extent<256 S>}}
    plan.launch @k "quantise" (buffer @x, buffer @x) cost <bytes = 0>
  }
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @x {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 T + 256 S> weights 0 {
    plan.buffer @x at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.kernel @k "quantize" {k = 64 : i64} scratch 0
  plan.function @f {
    // expected-error @below {{has 1 pointers, but quantize takes 2}}
    plan.launch @k "quantise" (buffer @x) cost <bytes = 0>
    plan.launch @k "quantise" (k_pool, buffer @x) cost <bytes = 0>
  }
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @x {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <256 T + 256 S> weights 0 {
    plan.buffer @x at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.kernel @k "quantize" {k = 64 : i64} scratch 0
  plan.function @f {
    // expected-error @below {{pointer 'x' must be a buffer, not k_pool}}
    plan.launch @k "quantise" (k_pool, buffer @x) cost <bytes = 0>
  }
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @x {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 512 {
    plan.buffer @x at <0> size <256 S>
    plan.buffer @y at <0> size <256 T>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @v f32 rows 1 columns 32 at 256 size 128
  plan.kernel @k "norm_quant" {k = 64 : i64} scratch 0
  plan.function @f {
    plan.launch @k "norm" (buffer @y, layer_weight 0, buffer @y) cost <bytes = 0>
  }
  plan.call @f weights [@w] kv_layer 0
  // expected-error @below {{gives @v (f32, 1 x 32) for 'w', which is f32, 1 x 64}}
  plan.call @f weights [@v] kv_layer 0
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @x {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 512 {
    plan.buffer @x at <0> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  // expected-error @below {{overlaps @w}}
  plan.weight @v f32 rows 1 columns 64 at 192 size 256
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @half at <256 T> size <128 T>
    plan.buffer @l at <512 T> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  // expected-error @below {{names no buffer: @y}}
  plan.pooling hidden @y norm @w eps 1.0e-5
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @half at <256 T> size <128 T>
    plan.buffer @l at <512 T> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  // expected-error @below {{buffer has #plan.extent<128 T>, but a token's row takes 256 bytes}}
  plan.pooling hidden @half norm @w eps 1.0e-5
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @half at <256 T> size <128 T>
    plan.buffer @l at <512 T> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  // expected-error @below {{names no weight: @v}}
  plan.pooling hidden @x norm @v eps 1.0e-5
}

// -----

plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @half at <256 T> size <128 T>
    plan.buffer @l at <512 T> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  // expected-error @below {{norm must be one plain row of 64 columns on the chip that has the logits}}
  plan.pooling hidden @x norm @m eps 1.0e-5
}

// -----

// expected-error @below {{holds more than one plan.pooling}}
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.chip 0 kind "cpu" arena <512 T + 256 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @half at <256 T> size <128 T>
    plan.buffer @l at <512 T> size <256 S>
  }
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.pooling hidden @x norm @w eps 1.0e-5
  plan.pooling hidden @x norm @w eps 1.0e-5
}

// -----

// expected-error @below {{'plan.engine' op attribute 'replicas' failed to satisfy constraint}}
plan.engine producer "" target "cpu" grid [1] replicas 1 logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
}

// -----

// expected-error @below {{has 1024 replicas of 128 chips; 65536 together are possible}}
plan.engine producer "" target "cpu" grid [64, 2] replicas 1024 logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 1 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 8192
  plan.kv layers 1 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 2048
}

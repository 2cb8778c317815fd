// Every op in its own syntax, through the generic form and back, and through the FlatBuffer and back.
// RUN: tenon-opt %s | FileCheck %s
// RUN: tenon-opt %s --mlir-print-op-generic | tenon-opt | FileCheck %s
// RUN: tenon-translate --plan-to-flatbuffer %s -o %t.bin
// RUN: tenon-translate --flatbuffer-to-plan %t.bin -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: tenon-translate --plan-to-flatbuffer %t.mlir -o %t.again.bin
// RUN: cmp %t.bin %t.again.bin

// CHECK: plan.engine producer "tenon 0.1.0" target "cpu" grid [1] logits @logits {
plan.engine producer "tenon 0.1.0" target "cpu" grid [1] logits @logits {
  // CHECK-NEXT: plan.model "tiny \22quoted\22" architecture "llama" vocabulary 512 hidden 64 layers 2 parameters 106000 bos 1 eos [2, 5] weights "q4_0"
  plan.model "tiny \22quoted\22" architecture "llama" vocabulary 512 hidden 64 layers 2 parameters 106000 bos 1 eos [2, 5] weights "q4_0"
  // CHECK-NEXT: plan.limits context 256 step_tokens 64 to 256 sequences 16 to 32 kv_bytes 131072
  plan.limits context 256 step_tokens 64 to 256 sequences 16 to 32 kv_bytes 131072
  // CHECK-NEXT: plan.chip 0 kind "cpu" arena <1024 T + 2240 S> weights 61248 {
  plan.chip 0 kind "cpu" arena <1024 T + 2240 S> weights 61248 {
    // CHECK-NEXT: plan.buffer @x at <0> size <256 T>
    plan.buffer @x at <0> size <256 T>
    // CHECK-NEXT: plan.buffer @n at <256 T> size <192 T>
    plan.buffer @n at <256 T> size <192 T>
    // CHECK-NEXT: plan.buffer @rope at <448 T> size <128 T>
    plan.buffer @rope at <448 T> size <128 T>
    // CHECK-NEXT: plan.buffer @q at <576 T> size <256 T>
    plan.buffer @q at <576 T> size <256 T>
    // CHECK-NEXT: plan.buffer @a at <832 T> size <192 T>
    plan.buffer @a at <832 T> size <192 T>
    // CHECK-NEXT: plan.buffer @h at <576 T> size <384 T>
    plan.buffer @h at <576 T> size <384 T>
    // CHECK-NEXT: plan.buffer @s at <1024 T> size <192 S>
    plan.buffer @s at <1024 T> size <192 S>
    // CHECK-NEXT: plan.buffer @logits at <1024 T + 192 S> size <2048 S>
    plan.buffer @logits at <1024 T + 192 S> size <2048 S>
  // CHECK-NEXT: }
  }
  // CHECK-NEXT: plan.kv layers 2 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 4096
  plan.kv layers 2 heads 1 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 4096
  // CHECK-NEXT: plan.weight @token_embd q4_0 rows 512 columns 64 at 0 size 18432 packed
  plan.weight @token_embd q4_0 rows 512 columns 64 at 0 size 18432 packed
  // CHECK-NEXT: plan.weight @rope.freq f32 rows 1 columns 16 at 18432 size 64
  plan.weight @rope.freq f32 rows 1 columns 16 at 18432 size 64
  // CHECK-NEXT: plan.weight @output_norm f32 rows 1 columns 64 at 18496 size 256
  plan.weight @output_norm f32 rows 1 columns 64 at 18496 size 256
  // CHECK-NEXT: plan.weight @blk.0.attn_norm f32 rows 1 columns 64 at 18752 size 256
  plan.weight @blk.0.attn_norm f32 rows 1 columns 64 at 18752 size 256
  // CHECK-NEXT: plan.weight @blk.0.attn_q q4_0 rows 64 columns 64 at 19008 size 2304 packed
  plan.weight @blk.0.attn_q q4_0 rows 64 columns 64 at 19008 size 2304 packed
  // CHECK-NEXT: plan.weight @blk.0.attn_k q4_0 rows 32 columns 64 at 21312 size 1152 packed
  plan.weight @blk.0.attn_k q4_0 rows 32 columns 64 at 21312 size 1152 packed
  // CHECK-NEXT: plan.weight @blk.0.attn_v q4_0 rows 32 columns 64 at 22464 size 1152 packed
  plan.weight @blk.0.attn_v q4_0 rows 32 columns 64 at 22464 size 1152 packed
  // CHECK-NEXT: plan.weight @blk.0.attn_output q4_0 rows 64 columns 64 at 23616 size 2304 packed
  plan.weight @blk.0.attn_output q4_0 rows 64 columns 64 at 23616 size 2304 packed
  // CHECK-NEXT: plan.weight @blk.0.ffn_norm f32 rows 1 columns 64 at 25920 size 256
  plan.weight @blk.0.ffn_norm f32 rows 1 columns 64 at 25920 size 256
  // CHECK-NEXT: plan.weight @blk.0.ffn_gate q4_0 rows 128 columns 64 at 26176 size 4608 packed
  plan.weight @blk.0.ffn_gate q4_0 rows 128 columns 64 at 26176 size 4608 packed
  // CHECK-NEXT: plan.weight @blk.0.ffn_up q4_0 rows 128 columns 64 at 30784 size 4608 packed
  plan.weight @blk.0.ffn_up q4_0 rows 128 columns 64 at 30784 size 4608 packed
  // CHECK-NEXT: plan.weight @blk.0.ffn_down q4_0 rows 64 columns 128 at 35392 size 4608 packed
  plan.weight @blk.0.ffn_down q4_0 rows 64 columns 128 at 35392 size 4608 packed
  // CHECK-NEXT: plan.weight @blk.1.attn_norm f32 rows 1 columns 64 at 40000 size 256
  plan.weight @blk.1.attn_norm f32 rows 1 columns 64 at 40000 size 256
  // CHECK-NEXT: plan.weight @blk.1.attn_q q4_0 rows 64 columns 64 at 40256 size 2304 packed
  plan.weight @blk.1.attn_q q4_0 rows 64 columns 64 at 40256 size 2304 packed
  // CHECK-NEXT: plan.weight @blk.1.attn_k q4_0 rows 32 columns 64 at 42560 size 1152 packed
  plan.weight @blk.1.attn_k q4_0 rows 32 columns 64 at 42560 size 1152 packed
  // CHECK-NEXT: plan.weight @blk.1.attn_v q4_0 rows 32 columns 64 at 43712 size 1152 packed
  plan.weight @blk.1.attn_v q4_0 rows 32 columns 64 at 43712 size 1152 packed
  // CHECK-NEXT: plan.weight @blk.1.attn_output q4_0 rows 64 columns 64 at 44864 size 2304 packed
  plan.weight @blk.1.attn_output q4_0 rows 64 columns 64 at 44864 size 2304 packed
  // CHECK-NEXT: plan.weight @blk.1.ffn_norm f32 rows 1 columns 64 at 47168 size 256
  plan.weight @blk.1.ffn_norm f32 rows 1 columns 64 at 47168 size 256
  // CHECK-NEXT: plan.weight @blk.1.ffn_gate q4_0 rows 128 columns 64 at 47424 size 4608 packed
  plan.weight @blk.1.ffn_gate q4_0 rows 128 columns 64 at 47424 size 4608 packed
  // CHECK-NEXT: plan.weight @blk.1.ffn_up q4_0 rows 128 columns 64 at 52032 size 4608 packed
  plan.weight @blk.1.ffn_up q4_0 rows 128 columns 64 at 52032 size 4608 packed
  // CHECK-NEXT: plan.weight @blk.1.ffn_down q4_0 rows 64 columns 128 at 56640 size 4608 packed
  plan.weight @blk.1.ffn_down q4_0 rows 64 columns 128 at 56640 size 4608 packed
  // CHECK-NEXT: plan.kernel @k0_embed "embed" {formats = ["q4_0"], k = 64 : i64, n = 512 : i64, scale = 5.000000e-01 : f32} scratch 0
  plan.kernel @k0_embed "embed" {formats = ["q4_0"], k = 64 : i64, n = 512 : i64, scale = 5.000000e-01 : f32} scratch 0
  // CHECK-NEXT: plan.kernel @k1_rope_table "rope_table" {rotary = 32 : i64} scratch 0
  plan.kernel @k1_rope_table "rope_table" {rotary = 32 : i64} scratch 0
  // CHECK-NEXT: plan.kernel @k2_norm_quant "norm_quant" {eps = 9.99999974E-6 : f32, k = 64 : i64, quant_out} scratch 0
  plan.kernel @k2_norm_quant "norm_quant" {eps = 9.99999974E-6 : f32, k = 64 : i64, quant_out} scratch 0
  // CHECK-NEXT: plan.kernel @k3_linear_qkv "linear_qkv" {attention_scale = 1.250000e-01 : f32, formats = ["q4_0", "q4_0", "q4_0"], head_dim = 32 : i64, heads = 2 : i64, k = 64 : i64, kv_heads = 1 : i64, quant_in, rotary = 32 : i64} scratch 512
  plan.kernel @k3_linear_qkv "linear_qkv" {attention_scale = 1.250000e-01 : f32, formats = ["q4_0", "q4_0", "q4_0"], head_dim = 32 : i64, heads = 2 : i64, k = 64 : i64, kv_heads = 1 : i64, quant_in, rotary = 32 : i64} scratch 512
  // CHECK-NEXT: plan.kernel @k4_attention "attention" {head_dim = 32 : i64, heads = 2 : i64, kv_heads = 1 : i64, quant_out, window = 128 : i64} scratch 0
  plan.kernel @k4_attention "attention" {head_dim = 32 : i64, heads = 2 : i64, kv_heads = 1 : i64, quant_out, window = 128 : i64} scratch 0
  // CHECK-NEXT: plan.kernel @k5_linear "linear" {formats = ["q4_0"], k = 64 : i64, n = 64 : i64, quant_in, residual} scratch 0
  plan.kernel @k5_linear "linear" {formats = ["q4_0"], k = 64 : i64, n = 64 : i64, quant_in, residual} scratch 0
  // CHECK-NEXT: plan.kernel @k6_linear_gate "linear_gate" {activation = "silu", formats = ["q4_0", "q4_0"], k = 64 : i64, n = 128 : i64, quant_in, quant_out} scratch 0
  plan.kernel @k6_linear_gate "linear_gate" {activation = "silu", formats = ["q4_0", "q4_0"], k = 64 : i64, n = 128 : i64, quant_in, quant_out} scratch 0
  // CHECK-NEXT: plan.kernel @k7_linear "linear" {formats = ["q4_0"], k = 128 : i64, n = 64 : i64, quant_in, residual} scratch 0
  plan.kernel @k7_linear "linear" {formats = ["q4_0"], k = 128 : i64, n = 64 : i64, quant_in, residual} scratch 0
  // CHECK-NEXT: plan.kernel @k8_norm_quant "norm_quant" {eps = 9.99999974E-6 : f32, gather_logit_rows, k = 64 : i64, quant_out} scratch 0
  plan.kernel @k8_norm_quant "norm_quant" {eps = 9.99999974E-6 : f32, gather_logit_rows, k = 64 : i64, quant_out} scratch 0
  // CHECK-NEXT: plan.kernel @k9_linear "linear" {formats = ["q4_0"], k = 64 : i64, logits, n = 512 : i64, quant_in} scratch 0
  plan.kernel @k9_linear "linear" {formats = ["q4_0"], k = 64 : i64, logits, n = 512 : i64, quant_in} scratch 0
  // CHECK-NEXT: plan.function @begin {
  plan.function @begin {
    // CHECK-NEXT: plan.launch @k0_embed "embed" (buffer @x, weight @token_embd) cost <bytes = 292 T>
    plan.launch @k0_embed "embed" (buffer @x, weight @token_embd) cost <bytes = 292 T>
    // CHECK-NEXT: plan.launch @k1_rope_table "rope" (buffer @rope, weight @rope.freq) cost <bytes = 64 + 128 T>
    plan.launch @k1_rope_table "rope" (buffer @rope, weight @rope.freq) cost <bytes = 64 + 128 T>
  // CHECK-NEXT: }
  }
  // CHECK-NEXT: plan.function @layer_0 {
  plan.function @layer_0 {
    // CHECK-NEXT: plan.launch @k2_norm_quant "attn_norm" (buffer @x, layer_weight 0, buffer @n) barrier cost <bytes = 256 + 384 T>
    plan.launch @k2_norm_quant "attn_norm" (buffer @x, layer_weight 0, buffer @n) barrier cost <bytes = 256 + 384 T>
    // CHECK-NEXT: plan.launch @k3_linear_qkv "attn_qkv" (buffer @n, layer_weight 1, layer_weight 2, layer_weight 3, buffer @q, k_pool, v_pool, buffer @rope) barrier cost <bytes = 4608 + 640 T, macs = 8192 T>
    plan.launch @k3_linear_qkv "attn_qkv" (buffer @n, layer_weight 1, layer_weight 2, layer_weight 3, buffer @q, k_pool, v_pool, buffer @rope) barrier cost <bytes = 4608 + 640 T, macs = 8192 T>
    // CHECK-NEXT: plan.launch @k4_attention "attention" (buffer @q, k_pool, v_pool, buffer @a) barrier cost <bytes = 384 T + 128 C, macs = 128 C>
    plan.launch @k4_attention "attention" (buffer @q, k_pool, v_pool, buffer @a) barrier cost <bytes = 384 T + 128 C, macs = 128 C>
    // CHECK-NEXT: plan.launch @k5_linear "attn_output" (buffer @a, layer_weight 4, buffer @x) barrier cost <bytes = 2304 + 640 T, macs = 4096 T>
    plan.launch @k5_linear "attn_output" (buffer @a, layer_weight 4, buffer @x) barrier cost <bytes = 2304 + 640 T, macs = 4096 T>
    // CHECK-NEXT: plan.launch @k2_norm_quant "ffn_norm" (buffer @x, layer_weight 5, buffer @n) barrier cost <bytes = 256 + 384 T>
    plan.launch @k2_norm_quant "ffn_norm" (buffer @x, layer_weight 5, buffer @n) barrier cost <bytes = 256 + 384 T>
    // CHECK-NEXT: plan.launch @k6_linear_gate "ffn_gate_up" (buffer @n, layer_weight 6, layer_weight 7, buffer @h) barrier cost <bytes = 9216 + 384 T, macs = 16384 T>
    plan.launch @k6_linear_gate "ffn_gate_up" (buffer @n, layer_weight 6, layer_weight 7, buffer @h) barrier cost <bytes = 9216 + 384 T, macs = 16384 T>
    // CHECK-NEXT: plan.launch @k7_linear "ffn_down" (buffer @h, layer_weight 8, buffer @x) barrier cost <bytes = 4608 + 768 T, macs = 8192 T>
    plan.launch @k7_linear "ffn_down" (buffer @h, layer_weight 8, buffer @x) barrier cost <bytes = 4608 + 768 T, macs = 8192 T>
  // CHECK-NEXT: }
  }
  // CHECK-NEXT: plan.function @end {
  plan.function @end {
    // CHECK-NEXT: plan.launch @k8_norm_quant "output_norm" (buffer @x, weight @output_norm, buffer @s) barrier cost <bytes = 256 + 384 S>
    plan.launch @k8_norm_quant "output_norm" (buffer @x, weight @output_norm, buffer @s) barrier cost <bytes = 256 + 384 S>
    // CHECK-NEXT: plan.launch @k9_linear "logits" (buffer @s, weight @token_embd, buffer @logits) barrier cost <bytes = 18432 + 2176 S, macs = 32768 S>
    plan.launch @k9_linear "logits" (buffer @s, weight @token_embd, buffer @logits) barrier cost <bytes = 18432 + 2176 S, macs = 32768 S>
  // CHECK-NEXT: }
  }
  // CHECK-NEXT: plan.call @begin weights [] kv_layer 0
  plan.call @begin weights [] kv_layer 0
  // CHECK-NEXT: plan.call @layer_0 weights [@blk.0.attn_norm, @blk.0.attn_q, @blk.0.attn_k, @blk.0.attn_v, @blk.0.attn_output, @blk.0.ffn_norm, @blk.0.ffn_gate, @blk.0.ffn_up, @blk.0.ffn_down] kv_layer 0
  plan.call @layer_0 weights [@blk.0.attn_norm, @blk.0.attn_q, @blk.0.attn_k, @blk.0.attn_v, @blk.0.attn_output, @blk.0.ffn_norm, @blk.0.ffn_gate, @blk.0.ffn_up, @blk.0.ffn_down] kv_layer 0
  // CHECK-NEXT: plan.call @layer_0 weights [@blk.1.attn_norm, @blk.1.attn_q, @blk.1.attn_k, @blk.1.attn_v, @blk.1.attn_output, @blk.1.ffn_norm, @blk.1.ffn_gate, @blk.1.ffn_up, @blk.1.ffn_down] kv_layer 1
  plan.call @layer_0 weights [@blk.1.attn_norm, @blk.1.attn_q, @blk.1.attn_k, @blk.1.attn_v, @blk.1.attn_output, @blk.1.ffn_norm, @blk.1.ffn_gate, @blk.1.ffn_up, @blk.1.ffn_down] kv_layer 1
  // CHECK-NEXT: plan.call @end weights [] kv_layer 0
  plan.call @end weights [] kv_layer 0
  // CHECK-NEXT: plan.check "layer_0.ffn_down" abs 1.250000e-05 rel 3.000000e-04 samples 3
  plan.check "layer_0.ffn_down" abs 1.250000e-05 rel 3.000000e-04 samples 3
  // CHECK-NEXT: plan.pooling hidden @x norm @output_norm eps 9.99999974E-6
  plan.pooling hidden @x norm @output_norm eps 9.99999974E-6
// CHECK-NEXT: }
}

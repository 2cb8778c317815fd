// RUN: tenon-opt %s --tenon-place-barriers | FileCheck %s

// CHECK-LABEL: plan.function @begin
plan.engine producer "" target "cpu" grid [1] logits @l {
  plan.model "m" architecture "llama" vocabulary 64 hidden 64 layers 2 parameters 1 eos [] weights "f32"
  plan.limits context 64 step_tokens 16 to 16 sequences 16 to 16 kv_bytes 0
  plan.chip 0 kind "cpu" arena <1280 T + 512 S> weights 16640 {
    plan.buffer @x at <0> size <256 T>
    plan.buffer @n at <256 T> size <256 T>
    plan.buffer @rope at <1024 T + 512 S> size <256 T>
    plan.buffer @h at <512 T> size <256 T>
    plan.buffer @over at <640 T> size <256 T>
    plan.buffer @s at <1024 T> size <256 S>
    plan.buffer @l at <1024 T + 256 S> size <256 S>
  }
  plan.kv layers 2 heads 2 dim 32 block_tokens 16 element_bytes 2 bytes_per_block 8192
  plan.weight @w f32 rows 1 columns 64 at 0 size 256
  plan.weight @m f32 rows 64 columns 64 at 256 size 16384 packed
  plan.kernel @embed "embed" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @norm "norm_quant" {k = 64 : i64} scratch 0
  plan.kernel @linear "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64} scratch 0
  plan.kernel @gather "norm_quant" {k = 64 : i64, gather_logit_rows} scratch 0
  plan.kernel @logits "linear" {formats = ["f32"], k = 64 : i64, n = 64 : i64, logits} scratch 0
  plan.function @begin {
    // The step's first launch: nothing is running.
    // CHECK: "embed" (buffer @x, weight @m) cost
    plan.launch @embed "embed" (buffer @x, weight @m) cost <bytes = 0>
    // Row by row over the rows that the same worker has just written.
    // CHECK: "same rows" (buffer @x, weight @w, buffer @n) cost
    plan.launch @norm "same rows" (buffer @x, weight @w, buffer @n) barrier cost <bytes = 0>
  }
  plan.function @layer {
    // All of @n is read by each worker.
    // CHECK: "all rows" (buffer @n, weight @m, buffer @h) barrier cost
    plan.launch @linear "all rows" (buffer @n, weight @m, buffer @h) cost <bytes = 0>
    // Reads what the step before last has finished, and writes bytes that nobody touches.
    // CHECK: "no dependency" (buffer @x, weight @m, buffer @rope) cost
    plan.launch @linear "no dependency" (buffer @x, weight @m, buffer @rope) cost <bytes = 0>
    // Another buffer, but its bytes are some of @h, which others may still write.
    // CHECK: "shared bytes" (buffer @x, weight @w, buffer @over) barrier cost
    plan.launch @norm "shared bytes" (buffer @x, weight @w, buffer @over) cost <bytes = 0>
    // Overwrites what the first launch of this function has read; that was before the last barrier.
    // CHECK: "written again" (buffer @x, weight @w, buffer @n) cost
    plan.launch @norm "written again" (buffer @x, weight @w, buffer @n) cost <bytes = 0>
  }
  plan.function @end {
    // Gathers rows of other workers, but they were written before a barrier.
    // CHECK: "gather" (buffer @x, weight @w, buffer @s) cost
    plan.launch @gather "gather" (buffer @x, weight @w, buffer @s) cost <bytes = 0>
    // CHECK: "logits" (buffer @s, weight @m, buffer @l) barrier cost
    plan.launch @logits "logits" (buffer @s, weight @m, buffer @l) cost <bytes = 0>
  }
  plan.call @begin weights [] kv_layer 0
  plan.call @layer weights [] kv_layer 0
  plan.call @layer weights [] kv_layer 1
  plan.call @end weights [] kv_layer 0
}

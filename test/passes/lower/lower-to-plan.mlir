// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-fuse --tenon-lower-to-plan | FileCheck %s
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-fuse --tenon-lower-to-plan="target=cpu:avx2 random-seed=7" \
// RUN:   | FileCheck %s --check-prefix=RANDOM
// RUN: tenon-opt %s --tenon-lower-to-plan --split-input-file --verify-diagnostics
//
// The whole lowering on the model of the fuse stage's test: one layer that is called twice.

// The residual stream is one buffer from the embedding through both layers to the last norm.
// CHECK: plan.engine producer "tenon {{.*}}" target "cpu" grid [1] logits @linear
// CHECK-NEXT: plan.model "" architecture "" vocabulary 512 hidden 64 layers 2
// CHECK-NEXT: plan.limits context 64 step_tokens 0 to 0
// CHECK-NEXT: plan.chip 0
// CHECK-NEXT: plan.buffer @embed at <0> size <256 T>
// CHECK-NEXT: plan.buffer @rope_table at <0> size <128 T>
// The logits' buffer has room for the maxima of their blocks.
// CHECK: plan.buffer @linear at <0> size <2112 S>
// CHECK-NEXT: plan.buffer @workspace.shared at <0> size <{{[0-9]+}} W>
// CHECK: plan.kv layers 2 heads 1 dim 32 block_tokens 0
// CHECK: plan.weight @tok q4_1 rows 512 columns 64 at 0 size 20480 packed
// CHECK-NEXT: plan.weight @freq f32 rows 1 columns 16 at 20480 size 64
// CHECK: plan.kernel @[[QKV:.*]] "linear_qkv" {attention_scale = 1.250000e-01 : f32, formats = ["q4_1", "q4_1", "q4_1"], head_dim = 32 : i64, heads = 2 : i64, k = 64 : i64, kv_heads = 1 : i64, quant_in, rotary = 32 : i64}

// CHECK: plan.kernel @{{.*}} "linear" {formats = ["q4_1"], k = 64 : i64, logits, maxima, n = 512 : i64, quant_in}
// CHECK: plan.pooling hidden @norm_quant.2 norm @an eps {{.*}}
// CHECK: plan.function @step_begin
// CHECK-NEXT: "embed" (buffer @embed, weight @tok) cost
// CHECK-NEXT: "rope_table" (buffer @rope_table, weight @freq) cost
// CHECK: plan.function @layer_0
// CHECK-NEXT: (buffer @embed, layer_weight 0, buffer @norm_quant) cost
// CHECK-NEXT: plan.launch @[[QKV]] "linear_qkv" (buffer @norm_quant, layer_weight 1, layer_weight 2, layer_weight 3, buffer @linear_qkv, k_pool, v_pool, buffer @rope_table) cost <bytes = {{.*}}, macs = 8192 T>
// CHECK-NEXT: "attention" (buffer @linear_qkv, k_pool, v_pool, buffer @attention, buffer @workspace.shared) cost <bytes = {{.*}} C, macs = 128 C>
// CHECK-NEXT: "linear" (buffer @attention, layer_weight 4, buffer @embed)
// CHECK-NEXT: (buffer @embed, layer_weight 5, buffer @norm_quant.1)
// CHECK-NEXT: "linear_gate" (buffer @norm_quant.1, layer_weight 6, layer_weight 7, buffer @linear_gate)
// CHECK-NEXT: "linear" (buffer @linear_gate, layer_weight 8, buffer @embed)
// CHECK: plan.function @layer_last
// CHECK: "linear" (buffer @attention, layer_weight 4, buffer @embed) cost
// CHECK-NEXT: (buffer @embed, layer_weight 5, buffer @norm_quant.1, buffer @norm_quant.2) kept cost
// CHECK-NEXT: "linear_gate" (buffer @norm_quant.1, layer_weight 6, layer_weight 7, buffer @linear_gate) kept cost
// CHECK-NEXT: "linear" (buffer @linear_gate, layer_weight 8, buffer @norm_quant.2) kept cost
// CHECK: plan.function @step_end
// CHECK-NEXT: (buffer @norm_quant.2, weight @an, buffer @norm_quant.3)
// CHECK-NEXT: (buffer @norm_quant.3, weight @tok, buffer @linear)
// CHECK: plan.call @step_begin weights [] kv_layer 0
// CHECK-NEXT: plan.call @layer_0 weights [@an, @wq, @wk, @wv, @wo, @an, @wg, @wu, @wd] kv_layer 0
// CHECK-NEXT: plan.call @layer_last weights [@an, @wq, @wk, @wv, @wo, @an, @wg, @wu, @wd] kv_layer 1
// CHECK-NEXT: plan.call @step_end weights [] kv_layer 0

// RANDOM: target "cpu:avx2"
// RANDOM: plan.weight @tok q4_1 rows 512 columns 64 at 0 size 20480 packed seed {{[0-9]+}}

// expected-error @below {{has no function @step; nothing to lower}}
module {
}

// -----

module {
  func.func @step(%x: tensor<?x64xf32>, %cache: !tenon.cache<1, 1, 32>) -> tensor<?x64xf32> {
    // expected-error @below {{is not a launch; run the fuse stage first}}
    %y = tenon.add %x, %x : tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }
}

// -----

// The sum is written over %x, and the second launch still wants what was there: no plan, and no wrong tokens.
module attributes {tenon.max_context = 64 : i64} {
  tenon.weight @tok : tensor<512x64xf32>
  tenon.weight @w : tensor<64xf32>
  func.func @step(%ids: tensor<?xi32>, %rows: tensor<?xi32>, %cache: !tenon.cache<1, 1, 32>) -> tensor<?x512xf32> {
    %tok = tenon.param @tok : tensor<512x64xf32>
    %w = tenon.param @w : tensor<64xf32>
    %x = tenon.fused "embed"(%i = %ids : tensor<?xi32>, %t = %tok : tensor<512x64xf32>) -> tensor<?x64xf32> {
      %e = tenon.embed %i, %t : (tensor<?xi32>, tensor<512x64xf32>) -> tensor<?x64xf32>
      tenon.yield %e : tensor<?x64xf32>
    }
    %y = tenon.fused "norm_quant"(%a = %x : tensor<?x64xf32>, %b = %w : tensor<64xf32>) -> tensor<?x64xf32> {
      %n = tenon.rms_norm %a, %b {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
      tenon.yield %n : tensor<?x64xf32>
    }
    %sum = tenon.fused "norm_add"(%a = %y : tensor<?x64xf32>, %b = %w : tensor<64xf32>, %c = %x : tensor<?x64xf32>) -> tensor<?x64xf32> {
      %n = tenon.rms_norm %a, %b {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
      %s = tenon.add %c, %n : tensor<?x64xf32>
      tenon.yield %s : tensor<?x64xf32>
    }
    // expected-error @below {{reads a value whose buffer 'embed' something else has been written over}}
    %z = tenon.fused "norm_quant"(%a = %x : tensor<?x64xf32>, %b = %w : tensor<64xf32>, %r = %rows : tensor<?xi32>) -> tensor<?x64xf32> {
      %g = tenon.select_rows %a, %r : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
      %n = tenon.rms_norm %g, %b {eps = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
      tenon.yield %n : tensor<?x64xf32>
    }
    %l = tenon.fused "linear"(%a = %z : tensor<?x64xf32>, %t = %tok : tensor<512x64xf32>) -> tensor<?x512xf32> {
      %p = tenon.logits %a, %t : (tensor<?x64xf32>, tensor<512x64xf32>) -> tensor<?x512xf32>
      tenon.yield %p : tensor<?x512xf32>
    }
    return %l : tensor<?x512xf32>
  }
}

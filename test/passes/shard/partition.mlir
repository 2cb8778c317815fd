// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard=tensor=2 | FileCheck %s
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard=pipeline=2 | FileCheck %s --check-prefix=STAGES
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard="tensor=1 pipeline=1" | FileCheck %s --check-prefix=ONE
// RUN: not tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard=tensor=3 2>&1 | FileCheck %s --check-prefix=HEADS
// RUN: not tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard=pipeline=3 2>&1 | FileCheck %s --check-prefix=LAYERS
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2},builtin.module(tenon-fuse),tenon-lower-to-plan)' \
// RUN:   | FileCheck %s --check-prefix=PLAN
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{pipeline=2},builtin.module(tenon-fuse),tenon-lower-to-plan)' \
// RUN:   | FileCheck %s --check-prefix=PIPELINE
//
// Two query heads, one KV head, 96 channels and 512 tokens on two chips. 64 and 32 channels make two programs.

// CHECK: module {{.*}} attributes {tenon.cache = !tenon.cache<2, 1, 32>
// CHECK: shard.grid @chips(shape = 1x2)
// CHECK: tenon.weight @wq : tensor<64x64xf32
// CHECK: module @program_0 attributes {tenon.chips = array<i64: 0>
// CHECK: tenon.weight @tok {cut = #tenon.cut<0, [0, 256]>} : tensor<256x64xf32
// CHECK: tenon.weight @an : tensor<64xf32>
// CHECK: tenon.weight @wq {cut = #tenon.cut<0, [0, 32]>} : tensor<32x64xf32
// Both chips have the one KV head.
// CHECK: tenon.weight @wk {cut = #tenon.cut<0, [0, 0]>} : tensor<32x64xf32
// CHECK: tenon.weight @wo {cut = #tenon.cut<1, [0, 32]>} : tensor<64x32xf32
// CHECK: tenon.weight @wd {cut = #tenon.cut<1, [0, 64]>} : tensor<64x64xf32
// CHECK: func.func private @layer_0
// CHECK: tenon.attention {{.*}} -> tensor<?x1x32xf32>
// CHECK: %[[O:.*]] = tenon.linear {{.*}} tensor<64x32xf32
// CHECK-NEXT: %[[S:.*]] = tenon.all_reduce %[[O]] axis 1 {cause = "the columns of linear are cut"}
// CHECK-NEXT: tenon.add %{{.*}}, %[[S]]
// CHECK: func.func @step
// CHECK: tenon.embed {{.*}} {partial}
// CHECK-NEXT: tenon.all_reduce
// CHECK: tenon.gather_columns {{.*}} begins [0, 256, 512]
// CHECK: module @program_1 attributes {tenon.chips = array<i64: 1>
// CHECK: tenon.weight @wd {cut = #tenon.cut<1, [0, 64]>} : tensor<64x32xf32

// The output matrix counts with the last layer, so the stages are one layer each. No weight is cut, each is where it is used.
// STAGES: shard.grid @chips(shape = 2x1)
// STAGES: module @program_0 attributes {tenon.chips = array<i64: 0>
// STAGES: func.func @step({{.*}}!tenon.cache<1, 1, 32>) {
// STAGES: tenon.embed
// STAGES: tenon.kv_layer %{{.*}}[0]
// STAGES: %[[X:.*]] = call @layer_0
// STAGES-NEXT: tenon.send %[[X]] axis 0
// STAGES-NEXT: return
// STAGES: module @program_1 attributes {tenon.chips = array<i64: 1>
// STAGES: func.func @step({{.*}}!tenon.cache<1, 1, 32>) -> tensor<?x512xf32>
// STAGES-NOT: tenon.embed
// STAGES: %[[R:.*]] = tenon.receive axis 0 like
// STAGES: tenon.kv_layer %{{.*}}[0]
// STAGES: call @layer_0(%[[R]]
// STAGES: tenon.logits
// STAGES-NOT: tenon.gather_columns

// Must not cut or exchange anything on one chip.
// ONE: module @program_0 attributes {tenon.chips = array<i64: 0>
// ONE-NOT: cut =
// ONE-NOT: tenon.all_reduce

// HEADS: error: {{.*}} has 2 heads, and 3 chips are to share them; use tp=2 or less, and more stages (pp)
// LAYERS: error: {{.*}} has 2 layers, and 3 stages are to share them; use pp=2 or less

// PLAN: plan.engine {{.*}} grid [1, 2] logits @gather_columns
// PLAN: plan.chip 0 kind "cpu" arena {{.*}} kv 2 x 1 {
// Each chip's logits leave the maxima of their blocks, and the gather has room for all.
// PLAN: plan.buffer @linear.2 at <0> size <1056 S>
// PLAN-NEXT: plan.buffer @gather_columns at <0> size <2112 S>
// PLAN: plan.chip 1 kind "cpu" program 1 arena {{.*}} kv 2 x 1 first_token 256
// PLAN: plan.weight @wd q4_1 rows 64 columns 64 {{.*}} part <1, [0, 64]>
// PLAN: plan.weight @"wd#1" q4_1 rows 64 columns 32 {{.*}} program 1 of "wd" part <1, [0, 64]>
// PLAN: "linear" {formats = ["q4_1"], k = 64 : i64, logits, maxima, n = 256 : i64, quant_in}
// PLAN: plan.function @layer_0 {
// PLAN: plan.collective all_reduce {{.*}} from @linear to @all_reduce axis 1 columns [0, 64] add cause
// PLAN: plan.function @step_end {
// PLAN: plan.collective gather_columns {{.*}} axis 1 columns [0, 256, 512] logit_rows
// PLAN: plan.call @layer_last.1 weights [@"an#1", {{.*}}] kv_layer 1 program 1

// Several steps' logits share the buffer of a pipeline: nothing may stand behind the rows of one.
// PIPELINE: plan.buffer @linear at <0> size <2048 S>
// PIPELINE-NOT: maxima

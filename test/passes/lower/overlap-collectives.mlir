// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows{from=24},tenon-overlap-collectives{from=40 block=8}))' | FileCheck %s
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows{from=24},tenon-overlap-collectives{from=7}))' | FileCheck %s --check-prefix=LATER
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-overlap-collectives))' | FileCheck %s --check-prefix=WHOLE --implicit-check-not=overlap
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=1 pipeline=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows,tenon-overlap-collectives))' | FileCheck %s --check-prefix=STAGES --implicit-check-not=overlap
// RUN: not tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows{from=24},tenon-overlap-collectives{block=0}))' 2>&1 | FileCheck %s --check-prefix=ZERO
// ZERO: collectives overlap in steps and blocks of a row or more, not of 0

// The embedding's sum stands behind no product.
// CHECK-LABEL: plan.function @step_begin {
// CHECK: plan.collective all_reduce {{.*}} own_rows 24 cause

// A layer: both sums with the product before them, both gathers with the one behind.
// CHECK-LABEL: plan.function @layer_0 {
// CHECK: plan.collective gather_rows {{.*}} own_rows 24 overlap 40 blocks 8 cause
// CHECK-NEXT: "linear_qkv"
// CHECK-NEXT: "attention"
// CHECK-NEXT: "linear"
// CHECK-NEXT: plan.collective all_reduce {{.*}} add own_rows 24 overlap 40 blocks 8 cause
// CHECK-NEXT: "norm_quant"
// CHECK-NEXT: plan.collective gather_rows {{.*}} own_rows 24 overlap 40 blocks 8 cause
// CHECK-NEXT: "linear_gate"
// CHECK-NEXT: "linear"
// CHECK-NEXT: plan.collective all_reduce {{.*}} add own_rows 24 overlap 40 blocks 8 cause

// A gather before a choice of rows, the sum of those kept, and a gather of logits are waited for.
// CHECK-LABEL: plan.function @layer_last {
// CHECK: plan.collective gather_rows {{.*}} own_rows 24 cause
// CHECK-NEXT: "norm_quant" {{.*}} kept cost
// CHECK: plan.collective all_reduce {{.*}} add kept cause
// CHECK-LABEL: plan.function @step_end {
// CHECK: plan.collective gather_columns {{.*}} logit_rows cause

// Not before there are rows of a chip's own.
// LATER: own_rows 24 overlap 24 blocks 32 cause

// WHOLE: plan.collective all_reduce
// STAGES: plan.collective send

// RUN: tenon-opt %s --split-input-file --tenon-replicate=replicas=3 --verify-diagnostics | FileCheck %s
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard="tensor=2 replicas=4" | FileCheck %s --check-prefix=STAGE
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard="tensor=2" | FileCheck %s --check-prefix=SINGLE
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard="tensor=2 replicas=4" \
// RUN:   | tenon-opt --tenon-replicate=replicas=1 | FileCheck %s --check-prefix=SINGLE
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --pass-pipeline='builtin.module(tenon-shard{tensor=2 replicas=4},builtin.module(tenon-fuse),tenon-lower-to-plan)' \
// RUN:   | FileCheck %s --check-prefix=PLAN
// RUN: not tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-replicate=replicas=0 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-replicate=replicas=1025 2>&1 | FileCheck %s --check-prefix=MANY

// Nothing but the grid changes: no value is cut over replicas.
// CHECK: shard.grid @chips(shape = 1) {tenon.replicas = 3 : i64}
// CHECK-NEXT: func.func @twice(%[[X:.*]]: tensor<?x64xf32>)
// CHECK-NEXT: tenon.add %[[X]], %[[X]]
// CHECK-NEXT: return
shard.grid @chips(shape = 1)
func.func @twice(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = tenon.add %x, %x : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// A number that is there already is replaced.
// CHECK: shard.grid @chips(shape = 2x1) {tenon.replicas = 3 : i64}
shard.grid @chips(shape = 2x1) {tenon.replicas = 2 : i64}

// -----

// expected-error @below {{has no shard.grid @chips to replicate}}
module {
}

// -----

// expected-error @below {{attribute 'tenon.replicas' is a 64-bit integer from 2 to 1024 on a shard.grid}}
shard.grid @chips(shape = 1) {tenon.replicas = 1 : i64}

// -----

// expected-error @below {{attribute 'tenon.replicas' is a 64-bit integer from 2 to 1024 on a shard.grid}}
module attributes {tenon.replicas = 2 : i64} {
}

// Four replicas have the programs of one, on the chips of one.
// STAGE: shard.grid @chips(shape = 1x2) {tenon.replicas = 4 : i64}
// STAGE: module @program_0 attributes {tenon.chips = array<i64: 0>
// STAGE: module @program_1 attributes {tenon.chips = array<i64: 1>
// STAGE-NOT: module @program_2

// Must not state a single replica.
// SINGLE: shard.grid @chips(shape = 1x2){{$}}
// SINGLE-NOT: tenon.replicas

// PLAN: plan.engine producer "tenon {{.*}}" target "cpu" grid [1, 2] replicas 4 logits
// PLAN: plan.chip 1
// PLAN-NOT: plan.chip 2

// NONE: error: 0 replicas are wanted; 1 to 1024 are possible
// MANY: error: 1025 replicas are wanted; 1 to 1024 are possible

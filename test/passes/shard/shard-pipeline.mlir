// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard="tensor=2 pipeline=2" | FileCheck %s
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard="tensor=1 pipeline=1" | FileCheck %s --check-prefix=ONE
// RUN: not tenon-opt %S/../fuse/fuse-pipeline.mlir --tenon-shard="tensor=2 pipeline=3" 2>&1 | FileCheck %s --check-prefix=LAYERS
//
// The whole stage on a grid of two stages of two chips: every weight is cut once and lies in the stage that uses it, and
// what one stage computes goes to the chip at the same place of the next.

// CHECK: shard.grid @chips(shape = 2x2)
// CHECK: module @program_0 attributes {tenon.chips = array<i64: 0>
// CHECK: tenon.weight @tok {cut = #tenon.cut<0, [0, 256]>} : tensor<256x64xf32
// CHECK: func.func private @layer_0
// CHECK: tenon.all_reduce {{.*}} axis 1
// CHECK: func.func @step
// CHECK: tenon.embed {{.*}} {partial}
// CHECK-NEXT: tenon.all_reduce {{.*}} axis 1
// CHECK: tenon.send %{{.*}} axis 0
// CHECK-NOT: tenon.gather_columns
// CHECK: module @program_1 attributes {tenon.chips = array<i64: 1>
// CHECK: module @program_2 attributes {tenon.chips = array<i64: 2>
// CHECK: tenon.receive axis 0
// CHECK: tenon.gather_columns {{.*}} begins [0, 256, 512]
// CHECK: module @program_3 attributes {tenon.chips = array<i64: 3>

// Must not fold, cut or exchange anything on one chip.
// ONE-NOT: cut =
// ONE-NOT: tenon.all_reduce
// ONE-NOT: tenon.send

// LAYERS: error: {{.*}} has 2 layers, and 3 stages are to share them

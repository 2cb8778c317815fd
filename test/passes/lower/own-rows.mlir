// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows{from=24}))' | FileCheck %s
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2 narrow=true},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows{from=24}))' | FileCheck %s --check-prefix=BF16
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=1 pipeline=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows))' | FileCheck %s --check-prefix=STAGES --implicit-check-not=own_rows
// RUN: tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2 pipeline=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows))' | FileCheck %s --check-prefix=BOTH
// RUN: not tenon-opt %S/../fuse/fuse-pipeline.mlir \
// RUN:   --pass-pipeline='builtin.module(tenon-shard{tensor=2},builtin.module(tenon-fuse),tenon-lower-to-plan,plan.engine(tenon-own-rows{from=0}))' 2>&1 | FileCheck %s --check-prefix=ZERO
// ZERO: own rows begin with steps of a row or more

// The embedding's sum is where it begins; what is made of tables is not shared out.
// CHECK-LABEL: plan.function @step_begin {
// CHECK-NEXT: "embed" (buffer @{{.*}}, weight @tok) cost
// CHECK-NEXT: plan.collective all_reduce {{.*}} to @[[X:[a-z_]*]] axis 1 columns [0, 64] own_rows 24
// CHECK-NEXT: "rope_table" (buffer @{{.*}}, weight @freq) cost

// A layer: from each sum to the next product chips have rows of their own. The residual stays in parts at the end.
// CHECK-LABEL: plan.function @layer_0 {
// CHECK-NEXT: (buffer @[[X]], layer_weight 0, buffer @[[N:[^)]*]]) own_rows 24
// CHECK-NEXT: plan.collective gather_rows "[[N]]" to @[[N]] axis 1 columns [0, 48] own_rows 24
// CHECK-NEXT: "linear_qkv" (buffer @[[N]], {{.*}} cost
// CHECK-NEXT: "attention" {{.*}}) cost
// CHECK-NEXT: "linear" {{.*}}) cost
// CHECK-NEXT: plan.collective all_reduce {{.*}} to @[[X]] axis 1 columns [0, 64] add own_rows 24
// CHECK-NEXT: "norm_quant" (buffer @[[X]], layer_weight 5, buffer @[[M:[^)]*]]) own_rows 24
// CHECK-NEXT: plan.collective gather_rows "[[M]]" to @[[M]] axis 1
// CHECK-NEXT: "linear_gate" (buffer @[[M]], {{.*}}) cost
// CHECK-NEXT: "linear" {{.*}}) cost
// CHECK-NEXT: plan.collective all_reduce {{.*}} to @[[X]] axis 1 columns [0, 64] add own_rows 24
// CHECK-NEXT: }

// The residual is gathered where rows are chosen; those kept, and those with logits, are everyone's.
// CHECK-LABEL: plan.function @layer_last {
// CHECK: plan.collective gather_rows "[[X]]" to @[[X]] axis 1 columns [0, 64] own_rows 24
// CHECK-NEXT: "norm_quant" (buffer @[[X]], layer_weight 5, buffer @{{.*}}, buffer @[[KEPT:[^)]*]]) kept cost
// CHECK-NEXT: "linear_gate" {{.*}}) kept cost
// CHECK-NEXT: "linear" {{.*}}) kept cost
// CHECK-NEXT: plan.collective all_reduce {{.*}} to @[[KEPT]] axis 1 columns [0, 64] add kept cause
// CHECK-NEXT: }
// CHECK-LABEL: plan.function @step_end {
// CHECK-NEXT: "norm_quant" (buffer @[[KEPT]], {{.*}}) cost
// CHECK-NEXT: "linear" {{.*}}) cost
// CHECK-NEXT: plan.collective gather_columns {{.*}} logit_rows cause

// BF16: plan.collective all_reduce {{.*}} add bf16 own_rows 24

// STAGES: plan.collective send

// A stage sends whole rows.
// BOTH: plan.collective gather_rows
// BOTH: plan.collective send

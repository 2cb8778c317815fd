//===- tenon-opt.cpp - Run Tenon's passes on IR as text -------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The tool of the lit tests: parses, verifies and transforms modules of the tenon and plan
// dialects.
//

#include "dialects/tenon/TenonDialect.h"
#ifdef TENON_HAVE_PLAN_DIALECT
#include "dialects/plan/PlanDialect.h"
#endif
#ifdef TENON_HAVE_SHARD_PASSES
#include "passes/shard/Passes.h"
#endif
#ifdef TENON_HAVE_FUSE_PASSES
#include "passes/fuse/Passes.h"
#include "passes/reblock/Passes.h"
#endif
#ifdef TENON_HAVE_LOWER_PASSES
#include "passes/lower/Passes.h"
#include "passes/memory/Passes.h"
#endif

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Shard/IR/ShardDialect.h"
#include "mlir/Dialect/Shard/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::tenon::TenonDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect,
                  mlir::shard::ShardDialect, mlir::tensor::TensorDialect>();
#ifdef TENON_HAVE_PLAN_DIALECT
  registry.insert<mlir::plan::PlanDialect>();
#endif
  mlir::registerTransformsPasses();
  mlir::shard::registerShardPasses();
#ifdef TENON_HAVE_SHARD_PASSES
  mlir::tenon::registerTenonShardPasses();
  mlir::tenon::registerShardPipeline();
#endif
#ifdef TENON_HAVE_FUSE_PASSES
  mlir::tenon::registerTenonFusePasses();
  mlir::tenon::registerFusePipeline();
  mlir::tenon::registerTenonReblockPasses();
  mlir::tenon::registerReblockPipeline();
#endif
#ifdef TENON_HAVE_LOWER_PASSES
  mlir::tenon::registerTenonMemoryPasses();
  mlir::tenon::registerMemoryPipeline();
  mlir::tenon::registerTenonLowerPasses();
#endif
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Tenon pass driver\n", registry));
}

//===- TestModule.h - Modules of the dialect's unit tests -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_TEST_DIALECTS_TENON_UNIT_TESTMODULE_H
#define TENON_TEST_DIALECTS_TENON_UNIT_TESTMODULE_H

#include "dialects/tenon/TenonOps.h"
#include "dialects/tenon/reference/ReferenceInterpreter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::tenon::test {

/// A context with the dialects, and a module parsed in it. `module` is null if the text does not
/// parse.
struct TestModule {
  explicit TestModule(StringRef text);

  /// The first op of type `Op` in the module.
  template <typename Op> Op first() {
    Op found;
    module->walk([&](Op op) {
      found = op;
      return WalkResult::interrupt();
    });
    return found;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

/// Deterministic values in [-1, 1) for the matrix `symbol`: row `row`, any number of columns.
RowReader syntheticWeight(StringRef symbol);

} // namespace mlir::tenon::test

#endif // TENON_TEST_DIALECTS_TENON_UNIT_TESTMODULE_H

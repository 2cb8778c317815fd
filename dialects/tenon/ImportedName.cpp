//===- ImportedName.cpp - What the importer called an op ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/tenon/ImportedName.h"

#include "mlir/IR/Location.h"
#include "mlir/IR/Operation.h"

using namespace mlir;

std::string mlir::tenon::importedName(Operation *op) {
  std::string name;
  op->getLoc()->walk([&](Location loc) {
    if (auto named = dyn_cast<NameLoc>(loc)) {
      name = named.getName().str();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return name;
}

//===- ImportedName.h - What the importer called an op ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_DIALECTS_TENON_IMPORTEDNAME_H
#define TENON_DIALECTS_TENON_IMPORTEDNAME_H

#include <string>

namespace mlir {
class Operation;
}

namespace mlir::tenon {

/// The name that the importer gave to an op, through fused and call-site locations; empty if there
/// is none.
std::string importedName(Operation *op);

} // namespace mlir::tenon

#endif // TENON_DIALECTS_TENON_IMPORTEDNAME_H

//===- NearestRecipe.h - Refuse an architecture, saying why -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_FRONTENDS_RECIPES_NEARESTRECIPE_H
#define TENON_FRONTENDS_RECIPES_NEARESTRECIPE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace tenon::frontend {

/// Error for a checkpoint whose architecture has no recipe: names the recipe that is nearest by
/// metadata keys (without their "<architecture>." prefix) and tensor names (layer numbers are
/// ignored), and what the checkpoint has beyond it and lacks.
llvm::Error refuseArchitecture(llvm::StringRef file, llvm::StringRef architecture,
                               llvm::ArrayRef<std::string> keys,
                               llvm::ArrayRef<std::string> tensorNames);

} // namespace tenon::frontend

#endif // TENON_FRONTENDS_RECIPES_NEARESTRECIPE_H

//===- Link.h - One object to a shared object -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_TARGETS_CPU_LINK_H
#define TENON_COMPILER_TARGETS_CPU_LINK_H

#include "runtime/engine/EngineFormat.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace tenon::cpu {

/// Links one relocatable object with lld, in process, to a stripped shared object that needs no
/// library. Undefined symbols are an error: a kernel calls nothing outside itself.
llvm::Expected<std::vector<uint8_t>> linkShared(llvm::StringRef object, engine::Variant variant);

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_LINK_H

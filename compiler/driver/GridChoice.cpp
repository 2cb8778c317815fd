//===- GridChoice.cpp - How many chips, and how they share ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/GridChoice.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"

namespace tenon::compiler {

/// Together; what a plan may have.
static constexpr int64_t kMostChips = 65536;

std::string GridChoice::text() const {
  return (replicas > 1 ? "dp=" + std::to_string(replicas) + "," : std::string()) +
         "tp=" + std::to_string(tensor) + ",pp=" + std::to_string(pipeline);
}

llvm::Expected<GridChoice> parseSharding(llvm::StringRef text) {
  GridChoice grid;
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',');
  int64_t *const sizes[] = {&grid.tensor, &grid.pipeline, &grid.replicas};
  bool seen[3] = {};
  for (llvm::StringRef part : parts) {
    auto [name, value] = part.trim().split('=');
    const int which = name == "tp" ? 0 : name == "pp" ? 1 : name == "dp" ? 2 : -1;
    int64_t number = 0;
    if (which < 0)
      return llvm::createStringError(
          "--sharding " + text + ": '" + name +
          "' is unknown; write tp=N (chips that share each layer), pp=N "
          "(stages of layers), dp=N (replicas of all that), several as dp=2,tp=2, or auto");
    if (value.getAsInteger(10, number) || number < 1 || number > 1024)
      return llvm::createStringError("--sharding " + text + ": " + name + "='" + value +
                                     "' is no number of chips from 1 to 1024");
    if (seen[which])
      return llvm::createStringError("--sharding " + text + ": " + name + " is given twice");
    seen[which] = true;
    *sizes[which] = number;
  }
  if (grid.chips() > kMostChips)
    return llvm::createStringError("--sharding " + text + " is for " + llvm::Twine(grid.chips()) +
                                   " chips; " + llvm::Twine(kMostChips) + " together are possible");
  return grid;
}

} // namespace tenon::compiler

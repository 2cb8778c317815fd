//===- GridChoice.cpp - How many chips, and how they share ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/GridChoice.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"

namespace tenon::compiler {

std::string GridChoice::text() const {
  return "tp=" + std::to_string(tensor) + ",pp=" + std::to_string(pipeline);
}

llvm::Expected<GridChoice> parseSharding(llvm::StringRef text) {
  GridChoice grid;
  llvm::SmallVector<llvm::StringRef> parts;
  text.split(parts, ',');
  bool seen[2] = {};
  for (llvm::StringRef part : parts) {
    auto [name, value] = part.trim().split('=');
    const int which = name == "tp" ? 0 : name == "pp" ? 1 : -1;
    int64_t number = 0;
    if (which < 0)
      return llvm::createStringError("--sharding " + text + ": '" + name +
                                     "' is unknown; write tp=N (chips that share each layer), pp=N "
                                     "(stages of layers), both as tp=2,pp=2, or auto");
    if (value.getAsInteger(10, number) || number < 1 || number > 1024)
      return llvm::createStringError("--sharding " + text + ": " + name + "='" + value +
                                     "' is no number of chips from 1 to 1024");
    if (seen[which])
      return llvm::createStringError("--sharding " + text + ": " + name + " is given twice");
    seen[which] = true;
    (which == 0 ? grid.tensor : grid.pipeline) = number;
  }
  return grid;
}

} // namespace tenon::compiler

//===- WeightUse.cpp - Formats before and after packing -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/WeightUse.h"

#include "compiler/driver/MemorySummary.h"
#include "dialects/tenon/TenonOps.h"

#include "llvm/Support/Format.h"

#include <map>

namespace tenon::compiler {

std::vector<WeightUse> weightUses(mlir::ModuleOp module, const frontend::Checkpoint &checkpoint) {
  std::map<std::pair<WeightFormat, WeightFormat>, WeightUse> uses;
  for (auto weight : module.getOps<mlir::tenon::WeightOp>()) {
    const frontend::Tensor *tensor = checkpoint.find(weight.getSymName());
    if (!tensor || weight.getValue() || weight.getTensorType().getRank() != 2)
      continue;
    const WeightFormat to = mlir::tenon::weightFormat(weight.getTensorType());
    auto [it, isNew] = uses.try_emplace({tensor->format, to}, WeightUse{tensor->format, to});
    WeightUse &use = it->second;
    ++use.matrices;
    use.elements += tensor->rows * tensor->columns;
    use.storedBytes += tensor->data.size();
    use.packedBytes += packedBytes(to, tensor->rows, tensor->columns);
  }
  std::vector<WeightUse> list;
  for (const auto &[key, use] : uses)
    list.push_back(use);
  return list;
}

bool changesWeights(llvm::ArrayRef<WeightUse> uses) {
  return llvm::any_of(uses, [](const WeightUse &use) { return use.from != use.to; });
}

bool roundsWeights(llvm::ArrayRef<WeightUse> uses) {
  return llvm::any_of(uses, [](const WeightUse &use) {
    return use.from != use.to && formatInfo(use.to).rowScales;
  });
}

static llvm::StringRef nameOf(WeightFormat format) { return formatInfo(format).name; }

void printWeightUses(llvm::raw_ostream &out, llvm::ArrayRef<WeightUse> uses) {
  for (const WeightUse &use : uses) {
    out << "  " << nameOf(use.from);
    if (use.from != use.to)
      out << " to " << nameOf(use.to);
    out << ": " << use.matrices << (use.matrices == 1 ? " matrix, " : " matrices, ");
    if (use.storedBytes)
      out << formatBytes(use.storedBytes) << " stored, ";
    out << formatBytes(use.packedBytes) << " packed"
        << llvm::format(", %.2f bits a weight\n", use.bitsPerWeight());
  }
}

llvm::json::Array weightUsesAsJson(llvm::ArrayRef<WeightUse> uses) {
  llvm::json::Array list;
  for (const WeightUse &use : uses)
    list.push_back(llvm::json::Object{{"from", nameOf(use.from)},
                                      {"to", nameOf(use.to)},
                                      {"matrices", use.matrices},
                                      {"elements", use.elements},
                                      {"stored_bytes", use.storedBytes},
                                      {"packed_bytes", use.packedBytes},
                                      {"bits_per_weight", use.bitsPerWeight()}});
  return list;
}

} // namespace tenon::compiler

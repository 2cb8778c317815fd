//===- StoredWeights.cpp - Weights read back from the file ----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/verify/StoredWeights.h"

namespace tenon::compiler {

StoredWeights::StoredWeights(mlir::plan::EngineOp plan, const EngineWriter &writer)
    : writer(writer) {
  for (mlir::plan::ChipOp chip : plan.getOps<mlir::plan::ChipOp>())
    programOf[chip.getId()] = chip.getProgramNumber();
  for (mlir::plan::WeightOp weight : plan.getOps<mlir::plan::WeightOp>())
    if (!weight.getSeed())
      weights[{weight.getProgramNumber(), weight.getTensorName()}] = weight;
}

llvm::Error StoredWeights::read(llvm::StringRef tensor, uint32_t chip,
                                llvm::MutableArrayRef<uint8_t> out) const {
  const auto program = programOf.find(chip);
  const auto found =
      program == programOf.end() ? weights.end() : weights.find({program->second, tensor});
  if (found == weights.end())
    return llvm::createStringError("the plan stores no weight '" + tensor + "' for chip " +
                                   llvm::Twine(chip));
  mlir::plan::WeightOp weight = found->second;
  if (weight.getSize() != out.size())
    return llvm::createStringError("the plan stores " + llvm::Twine(weight.getSize()) +
                                   " bytes of '" + tensor + "', and its kernel reads " +
                                   llvm::Twine(out.size()));
  return writer.readBack(engine::SectionKind::Weights, chip, weight.getOffset(), out);
}

} // namespace tenon::compiler

//===- CheckTensors.cpp - A checkpoint's tensors against its recipe -------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/ErrorText.h"
#include "frontends/recipes/Hyperparameters.h"

#include "llvm/ADT/StringMap.h"

namespace tenon::frontend {

using llvm::Error;
using llvm::StringRef;
using llvm::Twine;

namespace {

std::string shapeText(uint64_t rows, uint64_t columns) {
  return std::to_string(rows) + " x " + std::to_string(columns);
}

/// Checks one tensor and ticks it off in `unused`.
Error checkTensor(StringRef file, const ModelConfig &config, const TensorRule &rule, StringRef name,
                  llvm::StringMap<const Tensor *> &unused) {
  auto it = unused.find(name);
  if (it == unused.end()) {
    if (rule.optional)
      return Error::success();
    return fileError(file,
                     "tensor '" + name + "' is missing, but the recipe '" + config.architecture +
                         "' with " + Twine(config.layers) +
                         " layers needs it; convert the model again, or download all its parts");
  }
  const Tensor &tensor = *it->second;
  unused.erase(it);
  const uint64_t rows = dimSize(config, rule.rows), columns = dimSize(config, rule.columns);
  if (tensor.rows != rows || tensor.columns != columns)
    return fileError(file, "tensor '" + name + "' is " + shapeText(tensor.rows, tensor.columns) +
                               " (rows x columns), but the hyperparameters ask for " +
                               shapeText(rows, columns) +
                               "; metadata and tensors disagree: convert the model again");
  if (rule.rows == Dim::One && tensor.format != WeightFormat::F32)
    return fileError(file, "tensor '" + name + "' is stored as " +
                               formatInfo(tensor.format).name.data() +
                               ", but vectors are read as f32; convert the model again keeping "
                               "one-dimensional tensors in F32");
  return Error::success();
}

} // namespace

Error checkTensors(StringRef file, const Recipe &recipe, const ModelConfig &config,
                   llvm::ArrayRef<Tensor> tensors) {
  llvm::StringMap<const Tensor *> unused;
  for (const Tensor &tensor : tensors)
    unused[tensor.name] = &tensor;
  for (const TensorRule &rule : modelTensors(recipe))
    if (Error error = checkTensor(file, config, rule, rule.name, unused))
      return error;
  const std::vector<TensorRule> layerRules = layerTensors(recipe);
  for (uint32_t layer = 0; layer < config.layers; ++layer)
    for (const TensorRule &rule : layerRules)
      if (Error error = checkTensor(file, config, rule, layerTensorName(layer, rule.name), unused))
        return error;
  for (const Tensor &tensor : tensors)
    if (unused.count(tensor.name))
      return fileError(file,
                       "tensor '" + printable(tensor.name) + "' is not used by the recipe '" +
                           config.architecture + "' with " + Twine(config.layers) + " layers (" +
                           Twine(unused.size()) +
                           " such tensors), so the model would be computed wrongly; teach the "
                           "recipe (frontends/recipes), or remove it if it means nothing");
  return Error::success();
}

} // namespace tenon::frontend

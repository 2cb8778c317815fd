//===- Importer.cpp - A checkpoint as a tenon module ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/Importer.h"

#include "dialects/tenon/TenonOps.h"
#include "frontends/ErrorText.h"
#include "frontends/LayerBuilder.h"
#include "frontends/recipes/RotaryFrequencies.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Shard/IR/ShardDialect.h"
#include "mlir/Dialect/Shard/IR/ShardOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

#include "llvm/ADT/StringExtras.h"

#include <map>

namespace tenon::frontend {

using namespace mlir;
namespace td = mlir::tenon;

namespace {

/// What two layers must share to be one function.
struct LayerKind {
  std::vector<WeightFormat> formats;
  bool global = true;
  bool operator<(const LayerKind &other) const {
    return std::tie(formats, global) < std::tie(other.formats, other.global);
  }
};

class ModuleImporter {
public:
  ModuleImporter(MLIRContext &context, const Checkpoint &checkpoint, uint64_t maxContext)
      : context(context), builder(&context), checkpoint(checkpoint), config(checkpoint.config()),
        recipe(*findRecipe(config.architecture)), maxContext(maxContext) {}

  OwningOpRef<ModuleOp> build() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc("model"), symbolName());
    (*module)->setAttr(td::TenonDialect::kConfigAttrName, configAttribute());
    (*module)->setAttr(td::TenonDialect::kMaxContextAttrName,
                       builder.getI64IntegerAttr(maxContext));
    builder.setInsertionPointToEnd(module->getBody());
    shard::GridOp::create(builder, loc("chips"), "chips", ArrayRef<int64_t>{1});
    declareWeights();
    for (uint32_t layer = 0; layer < config.layers; ++layer)
      layerFunctions.push_back(functionOf(layer));
    buildStep();
    return module;
  }

private:
  Location loc(llvm::StringRef name) { return NameLoc::get(builder.getStringAttr(name)); }
  FloatAttr f32(float value) { return builder.getF32FloatAttr(value); }
  RankedTensorType rowsType(int64_t columns) {
    return RankedTensorType::get({ShapedType::kDynamic, columns}, builder.getF32Type());
  }
  RankedTensorType indexType() {
    return RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  }
  bool hasLocalLayers() const {
    for (uint32_t layer = 0; layer < config.layers; ++layer)
      if (!isGlobalLayer(config, layer))
        return true;
    return false;
  }

  /// The model's name as a symbol: "Gemma 3 270m" is @gemma_3_270m.
  std::string symbolName() const {
    std::string name;
    for (char c : config.name.empty() ? config.architecture : config.name)
      name += llvm::isAlnum(c) ? llvm::toLower(c) : '_';
    return name;
  }

  DictionaryAttr configAttribute() {
    NamedAttrList list;
    auto integer = [&](StringRef name, uint64_t value) {
      list.set(name, builder.getI64IntegerAttr(static_cast<int64_t>(value)));
    };
    auto number = [&](StringRef name, double value) {
      list.set(name, builder.getF64FloatAttr(value));
    };
    list.set("architecture", builder.getStringAttr(config.architecture));
    list.set("name", builder.getStringAttr(config.name));
    list.set("activation", builder.getStringAttr(config.activation));
    list.set("rope_scaling", builder.getStringAttr(config.ropeScaling));
    integer("layers", config.layers);
    integer("hidden", config.hidden);
    integer("feed_forward", config.feedForward);
    integer("heads", config.heads);
    integer("kv_heads", config.kvHeads);
    integer("head_dim", config.headDim);
    integer("rotary", config.rotary);
    integer("vocabulary", config.vocabulary);
    integer("context_length", config.contextLength);
    integer("sliding_window", config.slidingWindow);
    number("norm_eps", config.normEps);
    number("rope_base", config.ropeBase);
    list.set("tied_embeddings", builder.getBoolAttr(config.tiedEmbeddings));
    return list.getDictionary(&context);
  }

  void declareStored(llvm::StringRef name) {
    weights[name] = td::WeightOp::create(builder, loc(name), name,
                                         storedType(&context, *checkpoint.find(name)));
  }

  void declareFrequencies(llvm::StringRef name, bool local) {
    const RotaryFrequencies frequencies = rotaryFrequencies(config, local);
    auto type = RankedTensorType::get({static_cast<int64_t>(frequencies.inverse.size())},
                                      builder.getF32Type());
    weights[name] =
        td::WeightOp::create(builder, loc(name), name, type,
                             DenseElementsAttr::get(type, llvm::ArrayRef(frequencies.inverse)));
  }

  void declareWeights() {
    declareStored("token_embd.weight");
    declareFrequencies(kRotaryFrequencies, false);
    if (hasLocalLayers())
      declareFrequencies(kLocalRotaryFrequencies, true);
    const std::vector<TensorRule> rules = layerTensors(recipe);
    for (uint32_t layer = 0; layer < config.layers; ++layer)
      for (const TensorRule &rule : rules)
        declareStored(layerTensorName(layer, rule.name));
    declareStored("output_norm.weight");
    if (!config.tiedEmbeddings)
      declareStored("output.weight");
  }

  /// The function of layers like this one; built when the first of them is met.
  func::FuncOp functionOf(uint32_t layer) {
    LayerKind kind;
    kind.global = isGlobalLayer(config, layer);
    llvm::SmallVector<const Tensor *> tensors;
    for (const TensorRule &rule : layerTensors(recipe)) {
      tensors.push_back(checkpoint.find(layerTensorName(layer, rule.name)));
      kind.formats.push_back(tensors.back()->format);
    }
    auto [it, isNew] = functions.try_emplace(kind);
    if (isNew)
      it->second = buildLayer(builder, config, recipe, layer, tensors);
    return it->second;
  }

  Value param(llvm::StringRef name) {
    return td::ParamOp::create(builder, loc(name), weights.lookup(name));
  }

  Value ropeTable(Value positions, llvm::StringRef name, bool local) {
    return td::RopeTableOp::create(builder, loc(name), positions, param(name),
                                   f32(rotaryFrequencies(config, local).scale));
  }

  void buildStep() {
    auto cacheType = td::CacheType::get(&context, config.layers, config.kvHeads, config.headDim);
    auto type = builder.getFunctionType({indexType(), indexType(), indexType(), cacheType},
                                        {rowsType(config.vocabulary)});
    auto step = func::FuncOp::create(builder, loc("step"), "step", type);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(step.addEntryBlock());
    Value ids = step.getArgument(0), positions = step.getArgument(1), rows = step.getArgument(2),
          cache = step.getArgument(3);

    Value table = param("token_embd.weight");
    Value x = td::EmbedOp::create(builder, loc("embed"), ids, table, f32(config.embeddingScale),
                                  UnitAttr());
    Value rope = ropeTable(positions, kRotaryFrequencies, false);
    Value localRope = hasLocalLayers() ? ropeTable(positions, kLocalRotaryFrequencies, true) : rope;
    const std::vector<TensorRule> rules = layerTensors(recipe);
    for (uint32_t layer = 0; layer < config.layers; ++layer) {
      const Location at = loc("layer_" + std::to_string(layer));
      llvm::SmallVector<Value> operands = {
          x, td::KvLayerOp::create(builder, at, cache, static_cast<uint32_t>(layer)),
          isGlobalLayer(config, layer) ? rope : localRope};
      for (const TensorRule &rule : rules)
        operands.push_back(param(layerTensorName(layer, rule.name)));
      x = func::CallOp::create(builder, at, layerFunctions[layer], operands).getResult(0);
    }
    Value selected = td::SelectRowsOp::create(builder, loc("select_rows"), x, rows);
    Value normed =
        td::RmsNormOp::create(builder, loc("output_norm"), selected, param("output_norm.weight"),
                              llvm::APFloat(config.normEps));
    Value head = config.tiedEmbeddings ? table : param("output.weight");
    Value logits =
        td::LogitsOp::create(builder, loc("logits"), normed, head, f32(config.logitSoftcap));
    func::ReturnOp::create(builder, loc("step"), logits);
  }

  MLIRContext &context;
  OpBuilder builder;
  const Checkpoint &checkpoint;
  const ModelConfig &config;
  const Recipe &recipe;
  uint64_t maxContext;
  llvm::StringMap<td::WeightOp> weights;
  std::map<LayerKind, func::FuncOp> functions;
  std::vector<func::FuncOp> layerFunctions;
};

} // namespace

llvm::Expected<OwningOpRef<ModuleOp>>
importCheckpoint(MLIRContext &context, const Checkpoint &checkpoint, const ImportOptions &options) {
  const ModelConfig &config = checkpoint.config();
  if (options.maxContext > config.contextLength)
    return fileError(checkpoint.path(), "a context of " + llvm::Twine(options.maxContext) +
                                            " is wanted, but the model was made for " +
                                            llvm::Twine(config.contextLength) +
                                            "; give a smaller --max-context");
  context.loadDialect<td::TenonDialect, func::FuncDialect, shard::ShardDialect>();
  const uint64_t maxContext = options.maxContext ? options.maxContext : config.contextLength;

  std::string diagnostics;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    diagnostics += diagnostic.str() + "; ";
    return success();
  });
  OwningOpRef<ModuleOp> module = ModuleImporter(context, checkpoint, maxContext).build();
  if (failed(verify(*module)))
    return fileError(checkpoint.path(), "imports to a module that is not valid: " + diagnostics +
                                            "this is a fault of the importer, please report it");
  return module;
}

bool needsRotaryRowOrder(const Checkpoint &checkpoint, llvm::StringRef name, uint32_t &heads) {
  if (!checkpoint.interleavedRotary() || !name.starts_with("blk."))
    return false;
  const ModelConfig &config = checkpoint.config();
  if (name.ends_with(".attn_q.weight"))
    heads = config.heads;
  else if (name.ends_with(".attn_k.weight"))
    heads = config.kvHeads;
  else
    return false;
  return true;
}

} // namespace tenon::frontend

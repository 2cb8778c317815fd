//===- LayerBuilder.cpp - One layer as a function -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "frontends/LayerBuilder.h"

#include "dialects/tenon/TenonOps.h"

#include "llvm/ADT/StringMap.h"

namespace tenon::frontend {

using namespace mlir;
namespace td = mlir::tenon;

namespace {

class LayerBuilder {
public:
  LayerBuilder(OpBuilder &builder, const ModelConfig &config, bool global)
      : builder(builder), config(config), global(global) {}

  /// Names the function's arguments after the recipe's tensors.
  void bind(func::FuncOp function, llvm::ArrayRef<TensorRule> rules) {
    x = function.getArgument(0);
    kv = function.getArgument(1);
    rope = function.getArgument(2);
    for (auto [i, rule] : llvm::enumerate(rules))
      weights[rule.name] = function.getArgument(3 + i);
  }

  Value build() {
    Value attended = attention(norm(x, "attn_norm"));
    if (config.postNorms)
      attended = norm(attended, "post_attention_norm");
    x = td::AddOp::create(builder, loc("attn_residual"), x, attended);
    Value fed = feedForward(norm(x, "ffn_norm"));
    if (config.postNorms)
      fed = norm(fed, "post_ffw_norm");
    return td::AddOp::create(builder, loc("ffn_residual"), x, fed);
  }

private:
  Location loc(llvm::StringRef name) { return NameLoc::get(builder.getStringAttr(name)); }
  Value weight(llvm::StringRef name) { return weights.lookup((name + ".weight").str()); }
  Value linear(Value input, llvm::StringRef name) {
    return td::LinearOp::create(builder, loc(name), input, weight(name));
  }
  Value norm(Value input, llvm::StringRef name) {
    return td::RmsNormOp::create(builder, loc(name), input, weight(name),
                                 llvm::APFloat(config.normEps));
  }
  Value heads(Value input, uint32_t count, llvm::StringRef name) {
    return td::SplitHeadsOp::create(builder, loc(name), input, static_cast<int64_t>(count));
  }
  Value rotate(Value input, llvm::StringRef name) {
    return td::RopeOp::create(builder, loc(name), input, rope,
                              builder.getI32IntegerAttr(static_cast<int32_t>(config.rotary)));
  }

  Value attention(Value input) {
    Value q = linear(input, "attn_q"), k = linear(input, "attn_k"), v = linear(input, "attn_v");
    q = heads(q, config.heads, "attn_q");
    k = heads(k, config.kvHeads, "attn_k");
    v = heads(v, config.kvHeads, "attn_v");
    if (config.qkNorm) {
      q = norm(q, "attn_q_norm");
      k = norm(k, "attn_k_norm");
    }
    q = rotate(q, "attn_q");
    k = rotate(k, "attn_k");
    auto type = RankedTensorType::get({ShapedType::kDynamic, config.heads, config.headDim},
                                      builder.getF32Type());
    Value a = td::AttentionOp::create(
        builder, loc("attention"), type, q, k, v, kv, llvm::APFloat(config.attentionScale),
        global ? 0u : config.slidingWindow, llvm::APFloat(config.attentionSoftcap));
    a = td::MergeHeadsOp::create(builder, loc("attention"), a);
    return linear(a, "attn_output");
  }

  Value feedForward(Value input) {
    Value gate = linear(input, "ffn_gate"), up = linear(input, "ffn_up");
    const auto activation =
        config.activation == "silu" ? td::Activation::Silu : td::Activation::GeluTanh;
    Value hidden = td::GateOp::create(builder, loc("ffn_gate"), activation, gate, up);
    return linear(hidden, "ffn_down");
  }

  OpBuilder &builder;
  const ModelConfig &config;
  bool global;
  Value x, kv, rope;
  llvm::StringMap<Value> weights;
};

} // namespace

RankedTensorType storedType(MLIRContext *context, const Tensor &tensor) {
  const int64_t columns = static_cast<int64_t>(tensor.columns);
  Type element = Float32Type::get(context);
  if (tensor.rows == 1)
    return RankedTensorType::get({columns}, element);
  Attribute encoding;
  if (tensor.format != WeightFormat::F32)
    encoding = td::BlocksAttr::get(context, tensor.format);
  return RankedTensorType::get({static_cast<int64_t>(tensor.rows), columns}, element, encoding);
}

func::FuncOp buildLayer(OpBuilder &builder, const ModelConfig &config, const Recipe &recipe,
                        uint32_t layer, llvm::ArrayRef<const Tensor *> tensors) {
  MLIRContext *context = builder.getContext();
  auto activations =
      RankedTensorType::get({ShapedType::kDynamic, config.hidden}, builder.getF32Type());
  llvm::SmallVector<Type> inputs = {
      activations, td::KvType::get(context, config.kvHeads, config.headDim),
      RankedTensorType::get({ShapedType::kDynamic, 2, config.rotary / 2}, builder.getF32Type())};
  for (const Tensor *tensor : tensors)
    inputs.push_back(storedType(context, *tensor));
  const std::string name = "layer_" + std::to_string(layer);
  auto function = func::FuncOp::create(builder, NameLoc::get(builder.getStringAttr(name)), name,
                                       builder.getFunctionType(inputs, TypeRange(activations)));
  function.setPrivate();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(function.addEntryBlock());
  LayerBuilder body(builder, config, isGlobalLayer(config, layer));
  body.bind(function, layerTensors(recipe));
  func::ReturnOp::create(builder, function.getLoc(), body.build());
  return function;
}

} // namespace tenon::frontend

//===- CpuKernels.cpp - CPU kernel specs in the plan dialect --------------===//
// SPDX-License-Identifier: Apache-2.0

#include "dialects/plan/CpuKernels.h"

#include "runtime/device/cpu/KernelAbi.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mlir::plan;
using ::tenon::WeightFormat;
using ::tenon::cpu::Activation;
using ::tenon::cpu::KernelKind;
using ::tenon::cpu::KernelSpec;

static constexpr StringRef kActivationNames[] = {"none", "silu", "gelu_tanh"};

/// Calls `visit(name, field)` for every field but `kind`. The one list that both directions follow.
template <typename SpecT, typename Visitor> static void visitFields(SpecT &spec, Visitor &&visit) {
  visit("k", spec.k);
  visit("n", spec.n);
  visit("formats", spec.formats);
  visit("quant_in", spec.quantIn);
  visit("quant_out", spec.quantOut);
  visit("row_bits", spec.rowBits);
  visit("residual", spec.residual);
  visit("bf16_out", spec.bf16Out);
  visit("logits", spec.logits);
  visit("maxima", spec.maxima);
  visit("gather_logit_rows", spec.gatherLogitRows);
  visit("keep_rows", spec.keepRows);
  visit("partial", spec.partial);
  visit("activation", spec.activation);
  visit("heads", spec.heads);
  visit("kv_heads", spec.kvHeads);
  visit("head_dim", spec.headDim);
  visit("rotary", spec.rotary);
  visit("group", spec.group);
  visit("skipped_heads", spec.skippedHeads);
  visit("qk_norm", spec.qkNorm);
  visit("window", spec.window);
  visit("context", spec.context);
  visit("eps", spec.eps);
  visit("scale", spec.scale);
  visit("softcap", spec.softcap);
  visit("attention_scale", spec.attentionScale);
  visit("rope_scale", spec.ropeScale);
}

namespace {
/// Collects fields that differ from those of a default spec (visited in step).
struct FieldWriter {
  Builder builder;
  SmallVector<NamedAttribute> fields;

  Attribute write(uint32_t v) { return builder.getI64IntegerAttr(v); }
  Attribute write(float v) { return builder.getF32FloatAttr(v); }
  Attribute write(bool) { return builder.getUnitAttr(); }
  Attribute write(Activation v) {
    return builder.getStringAttr(kActivationNames[static_cast<size_t>(v)]);
  }
  Attribute write(const std::vector<WeightFormat> &v) {
    SmallVector<Attribute> names;
    for (WeightFormat format : v)
      names.push_back(builder.getStringAttr(StringRef(::tenon::formatInfo(format).name)));
    return builder.getArrayAttr(names);
  }
};

/// Reads one field; false if the attribute is of the wrong kind.
struct FieldReader {
  static bool read(Attribute attr, uint32_t &v) {
    auto integer = dyn_cast<IntegerAttr>(attr);
    if (!integer || !integer.getValue().isIntN(32))
      return false;
    v = static_cast<uint32_t>(integer.getValue().getZExtValue());
    return true;
  }
  static bool read(Attribute attr, float &v) {
    auto number = dyn_cast<FloatAttr>(attr);
    if (!number || !number.getType().isF32())
      return false;
    v = number.getValue().convertToFloat();
    return true;
  }
  static bool read(Attribute attr, bool &v) { return v = isa<UnitAttr>(attr); }
  static bool read(Attribute attr, Activation &v) {
    auto name = dyn_cast<StringAttr>(attr);
    const auto *found =
        name ? llvm::find(kActivationNames, name.getValue()) : std::end(kActivationNames);
    v = static_cast<Activation>(found - std::begin(kActivationNames));
    return found != std::end(kActivationNames);
  }
  static bool read(Attribute attr, std::vector<WeightFormat> &v) {
    auto names = dyn_cast<ArrayAttr>(attr);
    if (!names)
      return false;
    for (Attribute name : names) {
      auto text = dyn_cast<StringAttr>(name);
      auto format = text ? ::tenon::parseWeightFormat(text.getValue()) : std::nullopt;
      if (!format)
        return false;
      v.push_back(*format);
    }
    return true;
  }
};
} // namespace

DictionaryAttr plan::specToAttr(MLIRContext *context, const KernelSpec &spec) {
  const KernelSpec defaults;
  SmallVector<bool> differs;
  // Two walks in the same order: one compares with the defaults, one writes.
  SmallVector<const void *> places;
  visitFields(defaults, [&](StringRef, const auto &field) { places.push_back(&field); });
  FieldWriter writer{Builder(context), {}};
  size_t at = 0;
  visitFields(spec, [&](StringRef name, const auto &field) {
    using FieldT = std::decay_t<decltype(field)>;
    if (!(field == *static_cast<const FieldT *>(places[at++])))
      writer.fields.push_back(writer.builder.getNamedAttr(name, writer.write(field)));
  });
  return writer.builder.getDictionaryAttr(writer.fields);
}

/// Whether the fields that the kind needs are there; the reason if not.
static std::optional<std::string> missingField(const KernelSpec &s) {
  auto wantFormats = [&](size_t count) -> std::optional<std::string> {
    if (s.formats.size() != count)
      return "formats must name " + std::to_string(count) + " weight format(s)";
    if (s.quantIn == ::tenon::formatInfo(s.formats.front()).isFloat())
      return "quant_in must be set exactly if the weights have a block format";
    for (WeightFormat format : s.formats) {
      ::tenon::FormatInfo info = ::tenon::formatInfo(format);
      if (info.isFloat() == s.quantIn)
        return "formats mix float and block formats";
      if (s.k % info.kMultiple)
        return "k must be a multiple of " + std::to_string(info.kMultiple) + " for " +
               std::string(info.name);
    }
    return std::nullopt;
  };
  auto quantisable = [&](uint64_t columns) -> std::optional<std::string> {
    if (s.quantOut && columns % 32)
      return "quantised output rows need a multiple of 32 columns";
    return std::nullopt;
  };
  const bool needsK = s.kind != KernelKind::RopeTable && s.kind != KernelKind::Attention;
  if (needsK && s.k == 0)
    return "k is missing";
  const bool attends = s.kind == KernelKind::LinearQkv || s.kind == KernelKind::Attention;
  if (attends && (s.heads == 0 || s.kvHeads == 0 || s.headDim == 0))
    return "heads, kv_heads and head_dim must be set";
  if (s.kind == KernelKind::Attention && !::tenon::cpu::headsFit(s))
    return "heads must be a multiple of kv_heads, or group and skipped_heads say which KV head "
           "they read";
  switch (s.kind) {
  case KernelKind::RopeTable:
    return s.rotary == 0 || s.rotary % 2
               ? std::optional<std::string>("rotary must be even and not 0")
               : std::nullopt;
  case KernelKind::Embed:
    if (s.n == 0 || s.formats.size() != 1)
      return "n and one weight format must be set";
    return std::nullopt;
  case KernelKind::NormAdd:
    return std::nullopt;
  case KernelKind::NormQuant:
  case KernelKind::NormAddNormQuant:
    return quantisable(s.k);
  case KernelKind::Quantize:
    return s.k % 32 ? std::optional<std::string>("k must be a multiple of 32") : std::nullopt;
  case KernelKind::Linear:
    if (s.n == 0)
      return "n is missing";
    if (s.maxima && (!s.logits || s.residual))
      return "maxima are of logits";
    if (s.bf16Out && (s.residual || s.maxima || s.softcap != 0))
      return "rows of bf16 are neither added to nor logits";
    return wantFormats(1);
  case KernelKind::LinearGate:
    if (s.n == 0 || s.activation == Activation::None)
      return "n and activation must be set";
    if (auto reason = quantisable(s.n))
      return reason;
    return wantFormats(2);
  case KernelKind::LinearQkv:
    if (s.rotary % 2 || s.rotary > s.headDim)
      return "rotary must be even and at most head_dim";
    return wantFormats(3);
  case KernelKind::Attention:
    return quantisable(uint64_t(s.heads) * s.headDim);
  }
  return std::nullopt;
}

FailureOr<KernelSpec> plan::specFromAttr(StringRef kind, DictionaryAttr fields,
                                         std::string &error) {
  std::optional<KernelKind> parsed = ::tenon::cpu::parseKernelKind(kind);
  if (!parsed) {
    error = ("unknown kernel kind '" + kind + "'").str();
    return failure();
  }
  KernelSpec spec;
  spec.kind = *parsed;
  size_t known = 0;
  bool good = true;
  visitFields(spec, [&](StringRef name, auto &field) {
    Attribute attr = fields.get(name);
    if (!attr)
      return;
    ++known;
    if (good && !FieldReader::read(attr, field)) {
      good = false;
      error = ("spec field '" + name + "' has a value of the wrong kind").str();
    }
  });
  if (!good)
    return failure();
  if (known != fields.size()) {
    for (NamedAttribute field : fields) {
      bool found = false;
      visitFields(spec, [&](StringRef name, auto &) { found |= name == field.getName(); });
      if (!found)
        error = ("unknown spec field '" + field.getName().getValue() + "'").str();
    }
    return failure();
  }
  if (auto reason = missingField(spec)) {
    error = *reason;
    return failure();
  }
  return spec;
}

/// Bytes of one activation row.
static uint64_t rowBytes(bool quantised, uint64_t columns, uint32_t rowBits) {
  return quantised ? ::tenon::cpu::QuantRowLayout(columns, rowBits).stride()
                   : columns * sizeof(float);
}

SmallVector<KernelSlot> plan::kernelSlots(const KernelSpec &s, bool kept) {
  const RowDomain rows =
      !kept && (s.logits || s.gatherLogitRows) ? RowDomain::LogitRows : RowDomain::Tokens;
  SmallVector<KernelSlot> slots;
  auto buffer = [&](StringRef name, SlotRole role, bool quantised, uint64_t columns,
                    RowDomain domain = RowDomain::Tokens) {
    KernelSlot &slot = slots.emplace_back();
    slot.name = name, slot.role = role, slot.rows = domain;
    slot.rowBytes = rowBytes(quantised, columns, s.rowBits);
  };
  auto matrix = [&](StringRef name, size_t format, uint64_t n) {
    KernelSlot &slot = slots.emplace_back();
    slot.name = name, slot.role = SlotRole::Weight, slot.packed = true;
    slot.format = s.formats[format], slot.weightRows = n, slot.weightColumns = s.k;
  };
  auto vector = [&](StringRef name, uint64_t columns) {
    KernelSlot &slot = slots.emplace_back();
    slot.name = name, slot.role = SlotRole::Weight;
    slot.weightRows = 1, slot.weightColumns = columns;
  };
  auto pools = [&] {
    slots.emplace_back().name = "kPool";
    slots.back().role = SlotRole::KPool;
    slots.emplace_back().name = "vPool";
    slots.back().role = SlotRole::VPool;
  };
  const uint64_t qColumns = uint64_t(s.heads) * s.headDim,
                 kvColumns = uint64_t(s.kvHeads) * s.headDim;
  switch (s.kind) {
  case KernelKind::RopeTable:
    buffer("table", SlotRole::Out, false, s.rotary);
    vector("invFreq", s.rotary / 2);
    break;
  case KernelKind::Embed:
    buffer("out", SlotRole::Out, false, s.k);
    matrix("weights", 0, s.n);
    break;
  case KernelKind::NormQuant:
    buffer("x", SlotRole::In, false, s.k);
    vector("w", s.k);
    buffer("out", SlotRole::Out, s.quantOut, s.k, rows);
    if (s.keepRows)
      buffer("kept", SlotRole::Out, false, s.k, rows);
    break;
  case KernelKind::NormAdd:
  case KernelKind::NormAddNormQuant:
    buffer("y", SlotRole::In, false, s.k);
    vector("w", s.k);
    buffer("x", SlotRole::InOut, false, s.k);
    if (s.kind == KernelKind::NormAddNormQuant) {
      vector("w2", s.k);
      buffer("out", SlotRole::Out, s.quantOut, s.k);
    }
    break;
  case KernelKind::Quantize:
    buffer("x", SlotRole::In, false, s.k);
    buffer("out", SlotRole::Out, true, s.k);
    break;
  case KernelKind::Linear:
    buffer("in", SlotRole::In, s.quantIn, s.k, rows);
    matrix("w", 0, s.n);
    buffer("out", s.residual ? SlotRole::InOut : SlotRole::Out, false,
           s.n + (s.maxima ? ::tenon::cpu::logitsBlocks(s.n) : 0), rows);
    if (s.bf16Out)
      slots.back().rowBytes = uint64_t(s.n) * 2;
    break;
  case KernelKind::LinearGate:
    buffer("in", SlotRole::In, s.quantIn, s.k);
    matrix("wGate", 0, s.n);
    matrix("wUp", 1, s.n);
    buffer("out", SlotRole::Out, s.quantOut, s.n);
    break;
  case KernelKind::LinearQkv:
    buffer("in", SlotRole::In, s.quantIn, s.k);
    matrix("wQ", 0, qColumns);
    matrix("wK", 1, kvColumns);
    matrix("wV", 2, kvColumns);
    buffer("qOut", SlotRole::Out, false, qColumns);
    pools();
    buffer("ropeTable", SlotRole::In, false, s.rotary);
    if (s.qkNorm) {
      vector("qNorm", s.headDim);
      vector("kNorm", s.headDim);
    }
    break;
  case KernelKind::Attention:
    buffer("q", SlotRole::In, false, qColumns);
    pools();
    buffer("out", SlotRole::Out, s.quantOut, qColumns);
    if (s.context) {
      slots.emplace_back().name = "partials";
      slots.back().role = SlotRole::Workspace;
      slots.back().workerBytes = ::tenon::cpu::attentionPartialBytes(s);
    }
    break;
  }
  return slots;
}

Partition plan::kernelPartition(const KernelSpec &spec) {
  switch (spec.kind) {
  case KernelKind::RopeTable:
  case KernelKind::Embed:
  case KernelKind::NormAdd:
  case KernelKind::NormAddNormQuant:
  case KernelKind::Quantize:
    return Partition::TokenRows;
  case KernelKind::NormQuant:
    return spec.gatherLogitRows ? Partition::LogitRows : Partition::TokenRows;
  case KernelKind::Linear:
  case KernelKind::LinearGate:
  case KernelKind::LinearQkv:
  case KernelKind::Attention:
    return Partition::Free;
  }
  return Partition::Free;
}

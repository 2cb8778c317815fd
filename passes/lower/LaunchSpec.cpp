//===- LaunchSpec.cpp - Kernel spec and pointers of a fused region --------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/LaunchSpec.h"

#include "dialects/tenon/ImportedName.h"

#include "compiler/targets/cpu/Codegen.h"
#include "passes/fuse/LaunchForm.h"
#include "runtime/device/cpu/KernelAbi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace mlir::tenon;
using ::tenon::cpu::KernelKind;
using ::tenon::cpu::KernelSpec;

namespace {
uint32_t dim(Value value, unsigned index) {
  return cast<RankedTensorType>(value.getType()).getDimSize(index);
}
float f32(const APFloat &value) { return value.convertToFloat(); }

::tenon::cpu::Activation activationOf(Activation activation) {
  return activation == Activation::Silu ? ::tenon::cpu::Activation::Silu
                                        : ::tenon::cpu::Activation::GeluTanh;
}

bool endsTheStep(Value value) {
  return llvm::all_of(value.getUsers(), llvm::IsaPred<func::ReturnOp>);
}

/// Whether chips put their logits together here in whole blocks, so that the blocks' maxima can go
/// the same way.
bool gathersMaxima(FusedOp region, GatherColumnsOp gather) {
  auto source = region.getCaptured(cast<BlockArgument>(gather.getInput())).getDefiningOp<FusedOp>();
  return source && !source.getOps<LogitsOp>().empty() && endsTheStep(region.getResult(0)) &&
         llvm::all_of(gather.getBegins().drop_back(),
                      [](int64_t begin) { return begin % ::tenon::cpu::kLogitsBlock == 0; });
}

/// Whether tokens are drawn from these logits, here or where they are put together, a whole step's
/// at once: of a pipeline several steps' rows share the buffer, and leave no room behind each.
bool isDrawnFrom(Value logits) {
  for (auto region : logits.getDefiningOp()->getParentOfType<func::FuncOp>().getOps<FusedOp>())
    if (!region.getOps<ReceiveOp>().empty())
      return false;
  return llvm::all_of(logits.getUsers(), [](Operation *user) {
    if (isa<func::ReturnOp>(user))
      return true;
    auto region = dyn_cast<FusedOp>(user);
    auto gathers =
        region ? llvm::to_vector(region.getOps<GatherColumnsOp>()) : SmallVector<GatherColumnsOp>();
    return gathers.size() == 1 && gathersMaxima(region, gathers.front());
  });
}

/// Fills a LaunchSpec from the roles of a region's ops.
class Lowering {
public:
  Lowering(FusedOp region, LaunchForm form, RowDomain inputRows)
      : region(region), form(form), inputRows(inputRows) {}

  LaunchSpec run() {
    KernelSpec &s = out.spec;
    s.quantOut = !!form.quantize;
    if (form.quantize)
      s.rowBits = rowBits(form.quantize.getType());
    switch (form.kind) {
    case LaunchKind::RopeTable:
      ropeTable(s);
      break;
    case LaunchKind::Embed:
      embed(s);
      break;
    case LaunchKind::NormQuant:
      normQuant(s);
      break;
    case LaunchKind::NormAdd:
    case LaunchKind::NormAddNormQuant:
      normAdd(s);
      break;
    case LaunchKind::Quantize:
      s.kind = KernelKind::Quantize;
      s.k = dim(form.quantize.getInput(), 1);
      s.quantOut = false; // Always; the kind says so.
      out.pointers = {outer(form.quantize.getInput()), region.getResult(0)};
      name(form.quantize);
      break;
    case LaunchKind::Linear:
      form.logits ? logits(s) : linear(s);
      break;
    case LaunchKind::LinearGate:
      gate(s);
      break;
    case LaunchKind::LinearQkv:
      qkv(s);
      break;
    case LaunchKind::Attention:
      attention(s);
      break;
    case LaunchKind::AllReduce:
    case LaunchKind::GatherColumns:
    case LaunchKind::Send:
    case LaunchKind::Receive:
      collective();
      break;
    }
    out.kept = form.select ? form.select.getKept() : inputRows == RowDomain::Kept;
    if (!out.collective)
      out.slots = plan::kernelSlots(s, out.kept);
    if (out.name.empty())
      out.name = region.getKind().str();
    return std::move(out);
  }

  /// What the fields of a spec cannot express.
  std::optional<std::string> problem() {
    if (isCollective(form.kind))
      return inputRows == RowDomain::LogitRow && form.add
                 ? std::optional<std::string>("adds rows with logits")
                 : std::nullopt;
    if (form.kind == LaunchKind::NormAddNormQuant && form.postNorm.getEps() != form.norm.getEps())
      return "the two norms have different eps";
    const bool logitRowsPossible =
        form.kind == LaunchKind::Linear || (form.kind == LaunchKind::NormQuant && form.select);
    if (inputRows == RowDomain::LogitRow && (!logitRowsPossible || form.select || form.add))
      return "its kind works on token rows, and its input has logit rows";
    if (inputRows == RowDomain::Kept &&
        (form.ropeTable || form.embed || form.append || form.attend))
      return "its kind asks where in a sequence rows stand, and its input has kept rows";
    if (form.logits && inputRows != RowDomain::LogitRow)
      return "logits are computed for selected rows only";
    return std::nullopt;
  }

private:
  Value outer(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return region.getCaptured(argument);
    return value;
  }
  void name(Operation *op) { out.name = importedName(op); }

  void addWeight(Value weight) {
    out.spec.formats.push_back(weightFormat(cast<RankedTensorType>(weight.getType())));
    out.pointers.push_back(outer(weight));
  }
  void input(Value value) {
    out.spec.quantIn = isQuantizedRows(value.getType());
    if (out.spec.quantIn)
      out.spec.rowBits = rowBits(value.getType());
    out.spec.k = dim(value, 1);
    out.pointers.push_back(outer(value));
  }
  void update(Value result, Value residual) {
    out.updated = result;
    out.residual = outer(residual);
  }

  void ropeTable(KernelSpec &s) {
    s.kind = KernelKind::RopeTable;
    s.rotary = 2 * dim(form.ropeTable.getFrequencies(), 0);
    s.ropeScale = f32(form.ropeTable.getScale());
    out.pointers = {region.getResult(0), outer(form.ropeTable.getFrequencies())};
    name(form.ropeTable);
  }

  void embed(KernelSpec &s) {
    s.kind = KernelKind::Embed;
    s.n = dim(form.embed.getTable(), 0);
    s.k = dim(form.embed.getTable(), 1);
    s.scale = f32(form.embed.getScale());
    s.partial = form.embed.getPartial();
    out.pointers.push_back(region.getResult(0));
    addWeight(form.embed.getTable());
    name(form.embed);
  }

  void normQuant(KernelSpec &s) {
    s.kind = KernelKind::NormQuant;
    s.gatherLogitRows = !!form.select;
    s.keepRows = region.getNumResults() == 2;
    s.k = dim(form.norm.getInput(), 1);
    s.eps = f32(form.norm.getEps());
    out.pointers = {
        outer(form.select ? Value(form.select.getInput()) : Value(form.norm.getInput())),
        outer(form.norm.getWeight()), region.getResults().back()};
    if (s.keepRows)
      out.pointers.push_back(region.getResult(0));
    name(form.norm);
  }

  void normAdd(KernelSpec &s) {
    s.kind = form.norm ? KernelKind::NormAddNormQuant : KernelKind::NormAdd;
    s.k = dim(form.postNorm.getInput(), 1);
    s.eps = f32(form.postNorm.getEps());
    out.pointers = {outer(form.postNorm.getInput()), outer(form.postNorm.getWeight()),
                    region.getResult(0)};
    if (form.norm) {
      out.pointers.push_back(outer(form.norm.getWeight()));
      out.pointers.push_back(region.getResult(1));
    }
    update(region.getResult(0), form.residual);
    name(form.postNorm);
  }

  void linear(KernelSpec &s) {
    s.kind = KernelKind::Linear;
    s.logits = inputRows == RowDomain::LogitRow;
    s.n = dim(form.linear.getWeight(), 0);
    s.residual = !!form.residual;
    s.bf16Out = !!form.round;
    input(form.linear.getInput());
    addWeight(form.linear.getWeight());
    out.pointers.push_back(region.getResult(0));
    if (form.residual)
      update(region.getResult(0), form.residual);
    name(form.linear);
  }

  void logits(KernelSpec &s) {
    s.kind = KernelKind::Linear;
    s.logits = true;
    s.n = dim(form.logits.getWeight(), 0);
    s.softcap = f32(form.logits.getSoftcap());
    input(form.logits.getInput());
    addWeight(form.logits.getWeight());
    s.maxima = isDrawnFrom(region.getResult(0));
    out.pointers.push_back(region.getResult(0));
    name(form.logits);
  }

  void gate(KernelSpec &s) {
    s.kind = KernelKind::LinearGate;
    s.n = dim(form.linear.getWeight(), 0);
    s.activation = activationOf(form.gate.getActivation());
    input(form.linear.getInput());
    addWeight(form.linear.getWeight());
    addWeight(form.second.getWeight());
    out.pointers.push_back(region.getResult(0));
    name(form.linear);
  }

  void qkv(KernelSpec &s) {
    s.kind = KernelKind::LinearQkv;
    s.heads = dim(form.qRope.getInput(), 1);
    s.kvHeads = dim(form.kRope.getInput(), 1);
    s.headDim = dim(form.qRope.getInput(), 2);
    s.rotary = form.qRope.getRotaryElements();
    s.attentionScale = form.scale ? f32(form.scale.getFactor()) : 1.0f;
    s.qkNorm = !!form.qNorm;
    if (form.qNorm)
      s.eps = f32(form.qNorm.getEps());
    input(form.linear.getInput());
    for (LinearOp product : {form.linear, form.second, form.third})
      addWeight(product.getWeight());
    const unsigned query = isa<KvType>(region.getResult(0).getType()) ? 1 : 0;
    out.pointers.append({region.getResult(query), Value(), Value(), outer(form.qRope.getTable())});
    if (form.qNorm)
      out.pointers.append({outer(form.qNorm.getWeight()), outer(form.kNorm.getWeight())});
    out.kv = outer(form.append.getKv());
    name(form.linear);
  }

  void attention(KernelSpec &s) {
    s.kind = KernelKind::Attention;
    s.heads = dim(form.attend.getQuery(), 1);
    s.headDim = dim(form.attend.getQuery(), 2);
    s.kvHeads = cast<KvType>(form.attend.getKv().getType()).getKvHeads();
    s.group = form.attend.getGroup();
    s.skippedHeads = form.attend.getSkippedHeads();
    s.window = form.attend.getWindow();
    s.softcap = f32(form.attend.getSoftcap());
    out.pointers = {outer(form.attend.getQuery()), Value(), Value(), region.getResult(0)};
    auto context = region->getParentOfType<ModuleOp>()->getAttrOfType<IntegerAttr>(
        TenonDialect::kMaxContextAttrName);
    if (context) {
      s.context = context.getInt();
      out.pointers.push_back(Value());
    }
    out.kv = outer(form.attend.getKv());
    name(form.attend);
  }

  /// A collective's buffer of `columns` elements a row.
  void rows(StringRef slotName, plan::SlotRole role, Value value, int64_t columns) {
    plan::KernelSlot &slot = out.slots.emplace_back();
    slot.name = slotName;
    slot.role = role;
    slot.rows =
        inputRows == RowDomain::LogitRow ? plan::RowDomain::LogitRows : plan::RowDomain::Tokens;
    slot.rowBytes = columns * (isRoundedRows(value.getType()) ? 2 : sizeof(float));
    out.pointers.push_back(value);
  }

  template <typename OpT>
  void common(OpT op, plan::CollectiveKind kind, ArrayRef<int64_t> columns) {
    CollectiveSpec &c = out.collective.emplace();
    c.kind = kind;
    c.axis = op.getAxis();
    c.columns.assign(columns.begin(), columns.end());
    c.logitRows = inputRows == RowDomain::LogitRow;
    c.cause = op.getCause().value_or("").str();
    name(op);
  }

  void collective() {
    if (AllReduceOp op = form.allReduce) {
      const int64_t columns = dim(op.getInput(), 1);
      common(op, plan::CollectiveKind::AllReduce, {0, columns});
      rows("from", plan::SlotRole::In, outer(op.getInput()), columns);
      rows("to", form.add ? plan::SlotRole::InOut : plan::SlotRole::Out, region.getResult(0),
           columns);
      out.collective->accumulate = !!form.add;
      out.collective->bf16 = isRoundedRows(op.getInput().getType());
      if (form.add)
        update(region.getResult(0), form.residual);
    } else if (GatherColumnsOp op = form.gather) {
      common(op, plan::CollectiveKind::GatherColumns, op.getBegins());
      const bool maxima = gathersMaxima(region, op);
      const auto width = [&](int64_t columns) {
        return columns + (maxima ? ::tenon::cpu::logitsBlocks(columns) : 0);
      };
      rows("from", plan::SlotRole::In, outer(op.getInput()), width(dim(op.getInput(), 1)));
      rows("to", plan::SlotRole::Out, region.getResult(0), width(op.getBegins().back()));
    } else if (SendOp op = form.send) {
      const int64_t columns = dim(op.getInput(), 1);
      common(op, plan::CollectiveKind::Send, {0, columns});
      rows("from", plan::SlotRole::In, outer(op.getInput()), columns);
    } else if (ReceiveOp op = form.receive) {
      const int64_t columns = dim(op.getResult(), 1);
      common(op, plan::CollectiveKind::Receive, {0, columns});
      rows("to", plan::SlotRole::Out, region.getResult(0), columns);
    }
  }

  FusedOp region;
  LaunchForm form;
  RowDomain inputRows;
  LaunchSpec out;
};
} // namespace

Value mlir::tenon::rowInput(FusedOp region) {
  for (Value input : region.getInputs())
    if (auto type = dyn_cast<RankedTensorType>(input.getType()))
      if (type.isDynamicDim(0))
        return input;
  return {};
}

FailureOr<LaunchSpec> mlir::tenon::lowerLaunch(FusedOp region, RowDomain inputRows,
                                               std::string &why) {
  FailureOr<LaunchForm> form = matchLaunch(region, why);
  if (failed(form))
    return failure();
  Lowering lowering(region, *form, inputRows);
  if (auto problem = lowering.problem()) {
    why = *problem;
    return failure();
  }
  LaunchSpec launch = lowering.run();
  if (launch.collective)
    return launch;
  if (llvm::Error error = ::tenon::cpu::checkSpec(launch.spec)) {
    why = llvm::toString(std::move(error));
    return failure();
  }
  return launch;
}

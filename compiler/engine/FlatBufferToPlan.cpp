//===- FlatBufferToPlan.cpp - FlatBuffer to plan dialect ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/engine/PlanTranslate.h"

#include "runtime/engine/plan_generated.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace mlir::plan;
namespace fb = tenon::fb;

namespace {
/// A vector that may be absent, as a range.
template <typename VectorT> auto list(const VectorT *vector) {
  using Item = std::decay_t<decltype(*vector->begin())>;
  return vector ? std::vector<Item>(vector->begin(), vector->end()) : std::vector<Item>();
}

/// Builds one plan from verified FlatBuffer structure whose values are still unchecked. The first
/// problem is kept in `problem`; what is built after it is thrown away.
class Reader {
public:
  Reader(const fb::Plan &plan, MLIRContext *context)
      : plan(plan), builder(context), here(UnknownLoc::get(context)) {}

  OwningOpRef<EngineOp> read() {
    if (!plan.model() || !plan.limits() || !plan.kv()) {
      fail("the plan lacks its model, limits or kv table");
      return {};
    }
    auto logits = bufferName(plan.logits_buffer(), "logits_buffer");
    OwningOpRef<EngineOp> engine =
        EngineOp::create(builder, here, string(plan.producer()), string(plan.target()),
                         builder.getDenseI64ArrayAttr(grid()), replicas(), logits);
    Block &body = engine->getBody().emplaceBlock();
    builder.setInsertionPointToStart(&body);
    readModel(*plan.model());
    const fb::Limits &l = *plan.limits();
    LimitsOp::create(builder, here, l.max_context(), l.default_step_tokens(), l.max_step_tokens(),
                     l.default_sequences(), l.max_sequences(), l.default_kv_bytes());
    for (const fb::Chip *chip : list(plan.chips()))
      readChip(*chip);
    const fb::KvPlan &kv = *plan.kv();
    KvOp::create(builder, here, kv.layers(), kv.kv_heads(), kv.head_dim(), kv.block_tokens(),
                 kv.element_bytes(), kv.bytes_per_block());
    for (const fb::Weight *weight : list(plan.weights()))
      readWeight(*weight);
    for (const fb::Kernel *kernel : list(plan.kernels()))
      readKernel(*kernel);
    for (const fb::Function *function : list(plan.functions()))
      readFunction(*function);
    for (const fb::Call *call : list(plan.calls()))
      readCall(*call);
    for (const fb::Check *check : list(plan.checks()))
      CheckOp::create(builder, here, string(check->region()),
                      builder.getF32FloatAttr(check->max_abs_error()),
                      builder.getF32FloatAttr(check->max_rel_error()),
                      builder.getI64IntegerAttr(check->samples()));
    if (const fb::Pooling *p = plan.pooling())
      PoolingOp::create(builder, here, bufferName(p->hidden_buffer(), "the buffer of pooling"),
                        weightName(p->norm_weight(), "the norm of pooling"),
                        builder.getF32FloatAttr(p->norm_eps()));
    return engine;
  }

  std::string problem;

private:
  void fail(const Twine &message) {
    if (problem.empty())
      problem = message.str();
  }

  StringAttr string(const flatbuffers::String *s) {
    return builder.getStringAttr(s ? StringRef(s->c_str(), s->size()) : StringRef());
  }

  /// A name that other ops refer to.
  StringAttr symbol(const flatbuffers::String *s, const char *table) {
    if (!s || s->size() == 0)
      fail(Twine("a ") + table + " has no name");
    return string(s);
  }

  /// Name of item `index` of a table; `what` says who refers to it.
  template <typename T, typename NameFn>
  FlatSymbolRefAttr nameOf(const flatbuffers::Vector<flatbuffers::Offset<T>> *items, uint32_t index,
                           const Twine &what, NameFn &&name) {
    const uint32_t count = items ? items->size() : 0;
    if (index >= count) {
      fail(what + " is " + Twine(index) + ", but there are " + Twine(count));
      return FlatSymbolRefAttr::get(builder.getStringAttr("?"));
    }
    return FlatSymbolRefAttr::get(string(name(items->Get(index))));
  }
  FlatSymbolRefAttr bufferName(uint32_t index, const Twine &what) {
    const auto *chips = plan.chips();
    if (!chips || chips->size() == 0) {
      fail("the plan has no chip");
      return FlatSymbolRefAttr::get(builder.getStringAttr("?"));
    }
    return nameOf(chips->Get(0)->buffers(), index, what,
                  [](const fb::Buffer *b) { return b->name(); });
  }
  FlatSymbolRefAttr weightName(uint32_t index, const Twine &what) {
    return nameOf(plan.weights(), index, what, [](const fb::Weight *w) { return w->name(); });
  }

  ExtentAttr extent(const fb::Extent *e) {
    MLIRContext *context = builder.getContext();
    if (!e)
      return ExtentAttr::get(context, 0, 0, 0, 0);
    // Sums of coefficients stay far from overflow for any T, S and W that are 32-bit.
    for (uint64_t term : {e->fixed(), e->per_token(), e->per_logit_row(), e->per_worker()})
      if (term >> 48)
        fail("an extent has a term of 2^48 bytes or more");
    return ExtentAttr::get(context, e->fixed(), e->per_token(), e->per_logit_row(),
                           e->per_worker());
  }

  /// Absent for one.
  IntegerAttr replicas() {
    if (plan.replicas() == 0)
      fail("the plan is of 0 replicas");
    return plan.replicas() <= 1 ? IntegerAttr() : builder.getI64IntegerAttr(plan.replicas());
  }

  SmallVector<int64_t> grid() {
    if (!plan.grid())
      return {};
    return {plan.grid()->begin(), plan.grid()->end()};
  }

  void readModel(const fb::Model &m) {
    SmallVector<int64_t> eos;
    for (int32_t id : list(m.eos()))
      eos.push_back(id);
    IntegerAttr bos = m.bos() == -1 ? IntegerAttr() : builder.getI64IntegerAttr(m.bos());
    ModelOp::create(builder, here, string(m.name()), string(m.architecture()),
                    builder.getI64IntegerAttr(m.vocabulary()),
                    builder.getI64IntegerAttr(m.hidden()), builder.getI64IntegerAttr(m.layers()),
                    builder.getI64IntegerAttr(m.parameters()), bos,
                    builder.getDenseI64ArrayAttr(eos), string(m.weights_kind()));
  }

  IntegerAttr u64(uint64_t value) { return builder.getI64IntegerAttr(value); }
  IntegerAttr unlessZero(uint64_t value) { return value ? u64(value) : IntegerAttr(); }

  void readChip(const fb::Chip &c) {
    auto chip = ChipOp::create(builder, here, u64(c.id()), string(c.kind()),
                               unlessZero(c.program()), extent(c.arena()), u64(c.weights_bytes()),
                               unlessZero(c.kv_layers()), unlessZero(c.kv_heads()),
                               unlessZero(c.first_kv_head()), unlessZero(c.first_token()));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&chip.getBody().emplaceBlock());
    for (const fb::Buffer *b : list(c.buffers()))
      BufferOp::create(builder, here, symbol(b->name(), "buffer"), extent(b->offset()),
                       extent(b->size()));
  }

  void readWeight(const fb::Weight &w) {
    auto format = symbolizeWeightFormat(w.format());
    if (!format)
      fail("weight " + string(w.name()).getValue() + " has the unknown format " +
           Twine(w.format()));
    plan::PartAttr part;
    if (const fb::Part *p = w.part()) {
      SmallVector<int64_t> begins;
      if (p->begins())
        begins.assign(p->begins()->begin(), p->begins()->end());
      part = plan::PartAttr::get(builder.getContext(), p->dim(), begins);
    }
    WeightOp::create(
        builder, here, symbol(w.name(), "weight"),
        WeightFormatAttr::get(builder.getContext(), format.value_or(plan::WeightFormat::F32)),
        u64(w.rows()), u64(w.columns()), u64(w.offset()), u64(w.size()),
        w.packed() ? builder.getUnitAttr() : UnitAttr(), unlessZero(w.random_seed()),
        unlessZero(w.program()), w.tensor() ? string(w.tensor()) : StringAttr(), part);
  }

  void readKernel(const fb::Kernel &k) {
    DictionaryAttr spec;
    if (k.spec() && k.spec()->size() < 4096)
      spec = dyn_cast_or_null<DictionaryAttr>(
          parseAttribute(string(k.spec()).getValue(), builder.getContext()));
    if (!spec)
      fail("the spec of kernel " + string(k.symbol()).getValue() +
           " is not a dictionary of attributes");
    KernelOp::create(builder, here, symbol(k.symbol(), "kernel"), string(k.kind()),
                     spec ? spec : builder.getDictionaryAttr({}),
                     builder.getI64IntegerAttr(k.scratch_bytes()));
  }

  UnitAttr unit(bool set) { return set ? builder.getUnitAttr() : UnitAttr(); }

  void readFunction(const fb::Function &f) {
    auto function = FunctionOp::create(builder, here, symbol(f.name(), "function"));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&function.getBody().emplaceBlock());
    for (const fb::Launch *l : list(f.launches())) {
      if (l->collective()) {
        readCollective(*l, *l->collective());
        continue;
      }
      SmallVector<Attribute> args;
      if (l->args())
        for (const fb::Arg *arg : *l->args())
          args.push_back(readArg(*arg, string(l->name())));
      auto kernel = nameOf(plan.kernels(), l->kernel(), "the kernel of a launch",
                           [](const fb::Kernel *k) { return k->symbol(); });
      LaunchOp::create(builder, here, kernel, string(l->name()), builder.getArrayAttr(args),
                       unit(l->kept()), unit(l->barrier_before()), unlessZero(l->own_rows()),
                       cost(l->cost()));
    }
  }

  void readCollective(const fb::Launch &l, const fb::Collective &c) {
    auto kind = symbolizeCollectiveKind(static_cast<uint32_t>(c.kind()));
    const bool gives =
        kind != plan::CollectiveKind::Receive && kind != plan::CollectiveKind::GatherRows;
    const bool gets = kind != plan::CollectiveKind::Send;
    const size_t buffers = size_t(gives) + size_t(gets);
    if (!kind || !l.args() || l.args()->size() != buffers)
      return fail("collective " + string(l.name()).getValue() +
                  " is of an unknown kind or has not as many buffers as its kind");
    SmallVector<FlatSymbolRefAttr, 2> names;
    for (const fb::Arg *arg : *l.args())
      names.push_back(
          bufferName(arg->index(), "a buffer of collective " + string(l.name()).getValue()));
    SmallVector<int64_t> columns;
    if (c.columns())
      columns.assign(c.columns()->begin(), c.columns()->end());
    CollectiveOp::create(
        builder, here, CollectiveKindAttr::get(builder.getContext(), *kind), string(l.name()),
        gives ? names.front() : FlatSymbolRefAttr(), gets ? names.back() : FlatSymbolRefAttr(),
        u64(c.axis()), builder.getDenseI64ArrayAttr(columns), unit(c.accumulate()),
        unit(c.given() == fb::Element::BF16), unit(c.logit_rows()), unit(l.kept()), unit(c.fence()),
        unlessZero(l.own_rows()), unlessZero(c.overlap() ? c.overlap()->from() : 0),
        unlessZero(c.overlap() ? c.overlap()->block() : 0), string(c.cause()), cost(l.cost()));
  }

  ArgAttr readArg(const fb::Arg &arg, StringAttr launch) {
    MLIRContext *context = builder.getContext();
    auto kind = symbolizeArgKind(static_cast<uint32_t>(arg.kind()));
    if (!kind) {
      fail("launch " + launch.getValue() + " has a pointer of the unknown kind " +
           Twine(static_cast<unsigned>(arg.kind())));
      return ArgAttr::get(context, plan::ArgKind::KPool, {}, 0);
    }
    if (*kind == plan::ArgKind::Buffer)
      return ArgAttr::get(context, *kind,
                          bufferName(arg.index(), "a buffer of launch " + launch.getValue()), 0);
    if (*kind == plan::ArgKind::Weight)
      return ArgAttr::get(context, *kind,
                          weightName(arg.index(), "a weight of launch " + launch.getValue()), 0);
    return ArgAttr::get(context, *kind, {}, *kind == plan::ArgKind::LayerWeight ? arg.index() : 0);
  }

  CostAttr cost(const fb::Cost *c) {
    MLIRContext *context = builder.getContext();
    if (!c)
      return CostAttr::get(context, 0, 0, 0, 0, 0, 0, 0);
    return CostAttr::get(context, c->weight_bytes(), c->bytes_per_token(), c->bytes_per_logit_row(),
                         c->bytes_per_context(), c->macs_per_token(), c->macs_per_logit_row(),
                         c->macs_per_context());
  }

  void readCall(const fb::Call &c) {
    SmallVector<Attribute> weights;
    if (c.weights())
      for (uint32_t index : *c.weights())
        weights.push_back(weightName(index, "a weight of a call"));
    auto function = nameOf(plan.functions(), c.function(), "the function of a call",
                           [](const fb::Function *f) { return f->name(); });
    CallOp::create(builder, here, function, builder.getArrayAttr(weights), u64(c.kv_layer()),
                   unlessZero(c.program()));
  }

  const fb::Plan &plan;
  OpBuilder builder;
  Location here;
};
} // namespace

llvm::Expected<OwningOpRef<EngineOp>> tenon::compiler::planFromFlatBuffer(ArrayRef<uint8_t> bytes,
                                                                          MLIRContext *context) {
  context->loadDialect<PlanDialect>();
  flatbuffers::Verifier verifier(bytes.data(), bytes.size());
  if (!fb::VerifyPlanBuffer(verifier))
    return llvm::createStringError("the plan is not a well-formed FlatBuffer of plan.fbs");
  Reader reader(*fb::GetPlan(bytes.data()), context);
  std::string problem;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (problem.empty())
      problem = diagnostic.str();
    return success();
  });
  OwningOpRef<EngineOp> engine = reader.read();
  if (!reader.problem.empty())
    return llvm::createStringError("plan: " + reader.problem);
  if (failed(mlir::verify(*engine)))
    return llvm::createStringError("plan: " + problem);
  return std::move(engine);
}

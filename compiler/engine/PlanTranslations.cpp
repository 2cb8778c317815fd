//===- PlanTranslations.cpp - plan in a translation tool ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/engine/PlanTranslate.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace mlir::plan;

/// The one plan of a source file: the op itself, or alone in a module.
static EngineOp findEngine(Operation *root) {
  if (auto engine = dyn_cast<EngineOp>(root))
    return engine;
  EngineOp found;
  root->walk([&](EngineOp engine) { found = engine; });
  return found;
}

void tenon::compiler::registerPlanTranslations() {
  static TranslateFromMLIRRegistration toFlatBuffer(
      "plan-to-flatbuffer", "Write the FlatBuffer of a plan.engine",
      [](Operation *root, llvm::raw_ostream &out) -> LogicalResult {
        EngineOp engine = findEngine(root);
        if (!engine)
          return root->emitError("holds no plan.engine");
        std::vector<uint8_t> bytes = planToFlatBuffer(engine);
        out.write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
        return success();
      },
      [](DialectRegistry &registry) { registry.insert<PlanDialect>(); });
  static TranslateToMLIRRegistration fromFlatBuffer(
      "flatbuffer-to-plan", "Read the FlatBuffer of a plan",
      [](llvm::SourceMgr &sources, MLIRContext *context) -> OwningOpRef<Operation *> {
        StringRef text = sources.getMemoryBuffer(sources.getMainFileID())->getBuffer();
        // FlatBuffers are read in place and need their alignment.
        std::vector<uint8_t> bytes(text.bytes_begin(), text.bytes_end());
        auto engine = planFromFlatBuffer(bytes, context);
        if (!engine) {
          emitError(UnknownLoc::get(context)) << llvm::toString(engine.takeError());
          return {};
        }
        return OwningOpRef<Operation *>(engine->release());
      },
      [](DialectRegistry &registry) { registry.insert<PlanDialect>(); });
}

//===- Explain.h - What the fuse stage did and why --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The passes of this stage report through MLIR's optimisation remarks, category "fuse": passed for
// a fusion, missed for one that was rejected, analysis for an op that stays a launch of its own.
// tenon-opt prints them with --remarks-filter=fuse; tenon-compile --explain collects them here.
//
#ifndef TENON_PASSES_FUSE_EXPLAIN_H
#define TENON_PASSES_FUSE_EXPLAIN_H

#include "dialects/tenon/TenonOps.h"

#include "mlir/IR/Remarks.h"

#include <string>
#include <vector>

namespace mlir::tenon {

/// `pass` made `region`. `pass` must outlive the context (a literal).
void explainFused(FusedOp region, StringRef pass);

/// `pass` changed what `op` stands for otherwise than by fusing.
void explainDone(Operation *op, StringRef pass, const Twine &what);

/// `pass` did not fuse at `op`, and why.
void explainRejected(Operation *op, StringRef pass, const Twine &why);

/// `region` holds one op that nothing was fused with.
void explainKept(FusedOp region, StringRef pass);

/// One line of a report.
struct FusionDecision {
  /// The last two are the shard stage's (remarks of category "shard").
  enum class Verdict { Fused, Rejected, Kept, Cut, Whole };
  Verdict verdict;
  std::string function; ///< Name of the func.func.
  std::string pass;
  std::string text; ///< What was fused, or why not.
};

/// Collects the decisions made in a context. Attach before the pipeline runs and read afterwards;
/// the report must outlive the context. Decisions of different functions come in any order if the
/// context is multithreaded, so sort or switch threading off where order matters.
class FusionReport {
public:
  /// Installs the context's remark engine. Fails if the context already has one.
  LogicalResult attach(MLIRContext &context);

  const std::vector<FusionDecision> &decisions() const { return entries; }
  void print(raw_ostream &os) const;

private:
  class Streamer;
  std::vector<FusionDecision> entries;
};

StringRef stringifyVerdict(FusionDecision::Verdict verdict);

} // namespace mlir::tenon

#endif // TENON_PASSES_FUSE_EXPLAIN_H

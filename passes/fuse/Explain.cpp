//===- Explain.cpp - What the fuse stage did and why ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/Explain.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace mlir::tenon;

static constexpr StringLiteral kCategory = "fuse", kShardCategory = "shard";

static remark::RemarkOpts options(Operation *op, StringRef pass) {
  auto function = op->getParentOfType<func::FuncOp>();
  return remark::RemarkOpts::name(pass).category(kCategory).function(
      function ? function.getSymName() : StringRef());
}

/// `linear_qkv: 3 linear, 3 split_heads, 2 rope, scale, kv_append`, in order of first appearance.
static std::string describe(FusedOp region) {
  SmallVector<std::pair<StringRef, unsigned>> counts;
  for (Operation &op : region.getBodyBlock().without_terminator()) {
    StringRef name = op.getName().stripDialect();
    auto *known = llvm::find_if(counts, [&](auto &entry) { return entry.first == name; });
    if (known == counts.end())
      counts.emplace_back(name, 1);
    else
      ++known->second;
  }
  std::string text = (region.getKind() + ": ").str();
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(counts, os, [&](auto &entry) {
    if (entry.second > 1)
      os << entry.second << ' ';
    os << entry.first;
  });
  return text;
}

void mlir::tenon::explainFused(FusedOp region, StringRef pass) {
  remark::passed(region.getLoc(), options(region, pass))
      << remark::detail::LazyTextBuild{"Fused", [&] { return describe(region); }};
}

void mlir::tenon::explainDone(Operation *op, StringRef pass, const Twine &what) {
  remark::passed(op->getLoc(), options(op, pass))
      << remark::detail::LazyTextBuild{"Fused", [&] { return what.str(); }};
}

void mlir::tenon::explainRejected(Operation *op, StringRef pass, const Twine &why) {
  remark::missed(op->getLoc(), options(op, pass)) << remark::detail::LazyTextBuild{
      "Reason", [&] { return (op->getName().getStringRef() + ": " + why).str(); }};
}

void mlir::tenon::explainKept(FusedOp region, StringRef pass) {
  remark::analysis(region.getLoc(), options(region, pass))
      << remark::detail::LazyTextBuild{"Kept", [&] { return describe(region); }};
}

//===----------------------------------------------------------------------===//
// FusionReport
//===----------------------------------------------------------------------===//

class FusionReport::Streamer : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Streamer(FusionReport &report) : report(report) {}

  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    const bool shard = remark.getCategoryName() == kShardCategory;
    if ((!shard && remark.getCategoryName() != kCategory) || remark.getArgs().empty())
      return;
    using Verdict = FusionDecision::Verdict;
    const remark::detail::Remark::Arg &arg = remark.getArgs().front();
    Verdict verdict = arg.key == "Fused"   ? Verdict::Fused
                      : arg.key == "Kept"  ? Verdict::Kept
                      : arg.key == "Cut"   ? Verdict::Cut
                      : arg.key == "Whole" ? Verdict::Whole
                                           : Verdict::Rejected;
    std::lock_guard<std::mutex> lock(mutex);
    report.entries.push_back(
        {verdict, remark.getFunction().str(), remark.getRemarkName().str(), arg.val});
  }

private:
  FusionReport &report;
  std::mutex mutex;
};

LogicalResult FusionReport::attach(MLIRContext &context) {
  if (context.getRemarkEngine())
    return failure();
  remark::RemarkCategories categories;
  // `all` alone only widens filters that are set, so each kind is named.
  categories.passed = categories.missed = categories.analysis =
      (kCategory + "|" + kShardCategory).str();
  return remark::enableOptimizationRemarks(context, std::make_unique<Streamer>(*this),
                                           std::make_unique<remark::RemarkEmittingPolicyAll>(),
                                           categories);
}

StringRef mlir::tenon::stringifyVerdict(FusionDecision::Verdict verdict) {
  switch (verdict) {
  case FusionDecision::Verdict::Fused:
    return "fused";
  case FusionDecision::Verdict::Rejected:
    return "rejected";
  case FusionDecision::Verdict::Kept:
    return "kept";
  case FusionDecision::Verdict::Cut:
    return "cut";
  case FusionDecision::Verdict::Whole:
    return "whole";
  }
  llvm_unreachable("all verdicts are named");
}

void FusionReport::print(raw_ostream &os) const {
  for (const FusionDecision &entry : entries)
    os << llvm::formatv("{0,-8} {1,-16} {2,-22} {3}\n", stringifyVerdict(entry.verdict),
                        "@" + entry.function, entry.pass, entry.text);
}

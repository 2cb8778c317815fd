//===- InputFile.h - Inputs of matrices, kept on disk -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_CALIBRATION_INPUTFILE_H
#define TENON_COMPILER_DRIVER_CALIBRATION_INPUTFILE_H

#include "compiler/pack/InputSource.h"
#include "runtime/base/Status.h"
#include "runtime/engine/Plan.h"
#include "runtime/executor/LaunchObserver.h"

#include "llvm/ADT/StringMap.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tenon::compiler {

/// Writes down what enters each matrix product while an engine runs, as bf16 in a temporary file,
/// and turns it into feedback for rounding, one matrix after the other: memory holds the inputs of
/// one at a time.
class InputFile : public executor::LaunchObserver, public InputSource {
public:
  /// A file beside `path`, for the inputs of the matrix products of `plan` (one chip, integer or
  /// f32 rows) in `rows` rows. `plan` outlives the recording.
  static StatusOr<std::unique_ptr<InputFile>> create(const std::string &path,
                                                     const engine::Plan &plan, uint64_t rows);
  ~InputFile() override;

  void beforeLaunch(const engine::CallPlan &call, const engine::LaunchPlan &launch,
                    void *const *arguments, const cpu::StepView &step) override;
  /// After every step: its rows are complete. An error of writing comes out here.
  Status endStep(uint64_t stepRows);

  llvm::Expected<const ColumnFeedback *> feedbackOf(llvm::StringRef tensor,
                                                    unsigned threads) override;
  uint64_t recordedRows() const { return done; }

private:
  /// What enters one launch, and all of its matrices.
  struct Input {
    uint64_t offset = 0, columns = 0; ///< In the file: [rows][columns] bf16.
    bool quantised = false;           ///< The launch reads QuantRows, else f32 rows.
  };
  InputFile(int file, std::string path, uint64_t rows)
      : file(file), path(std::move(path)), rows(rows) {}
  void findInputs(const engine::Plan &plan);
  llvm::Error read(const Input &input, uint64_t first, uint64_t count,
                   std::vector<uint16_t> &out) const;

  const int file;
  const std::string path;
  const uint64_t rows;
  uint64_t done = 0;
  Status failure;
  std::vector<Input> inputs;
  std::map<std::pair<const engine::CallPlan *, const engine::LaunchPlan *>, uint32_t> inputOf;
  llvm::StringMap<uint32_t> byTensor;
  std::vector<uint16_t> row;
  std::optional<ColumnFeedback> feedback; ///< Of `current`.
  uint32_t current = 0;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_CALIBRATION_INPUTFILE_H

//===- ChipsFile.h - What the chips are and how they are joined -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The description that planning for machines that are not here goes by. docs/chips.md specifies it.
//
#ifndef TENON_COMPILER_DRIVER_CHIPSFILE_H
#define TENON_COMPILER_DRIVER_CHIPSFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::compiler {

/// One kind of chip. Rates are what a kernel can reach, not what a data sheet says.
struct ChipKind {
  std::string kind = "cpu";
  uint64_t memory = 0;                            ///< Bytes; 0: not stated.
  double readBandwidth = 0, writeBandwidth = 0;   ///< Bytes a second.
  double int8Macs = 0, bf16Macs = 0, f32Macs = 0; ///< Multiply-accumulates a second.
  /// Of integer products in steps of few rows: (rows, multiply-accumulates a second), rows
  /// ascending. Empty: int8Macs whatever the rows.
  std::vector<std::pair<double, double>> int8ByRows;
  double contextBandwidth = 0; ///< Of keys and values; 0: readBandwidth.
  double launchSeconds = 0;    ///< Fixed cost of a launch.
  /// Bytes a second of each run of `sharedBy` consecutive chips together; 0: each has its own
  /// memory.
  double sharedReadBandwidth = 0;
  double sharedContextBandwidth =
      0; ///< The same of keys and values; 0: as much less as one chip's own.
  uint32_t sharedBy = 1;

  bool operator==(const ChipKind &) const = default;

  /// Of integer products in a step of so many rows; between two measured numbers in proportion to
  /// the logarithm.
  double int8MacsAt(double rows) const;
};

/// Joins runs of `group` consecutive chips: chips 0 to group - 1, and so on.
struct Link {
  uint32_t group = 0;
  double latencySeconds = 0, bandwidth = 0; ///< Of one chip to another; bytes a second.
  bool ring = false;                        ///< Neighbours only, else every pair.
  double overlap = 0; ///< Part of a transfer that goes on while the chips compute: 0 if their own
                      ///< processors copy.
};

struct ChipsFile {
  std::string name;
  std::vector<ChipKind> chips; ///< One entry for each chip.
  std::vector<Link> links;     ///< Smaller groups first.

  /// The link by which all of `count` chips at distance `stride` from `first` reach each other;
  /// null if the file has none.
  const Link *linkOf(uint32_t first, uint32_t count, uint32_t stride) const;
};

/// Reads a file. Errors name the file, the key, what was found and what is wanted.
llvm::Expected<ChipsFile> readChipsFile(llvm::StringRef path);

/// As readChipsFile(), of the file's `text`.
llvm::Expected<ChipsFile> readChips(llvm::StringRef path, llvm::StringRef text);

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_CHIPSFILE_H

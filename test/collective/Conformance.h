//===- Conformance.h - What every group of chips must do --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The same checks for chips of one process and of several: each process calls them for its own
// members, in the same order.
//
#ifndef TENON_TEST_COLLECTIVE_CONFORMANCE_H
#define TENON_TEST_COLLECTIVE_CONFORMANCE_H

#include "runtime/collective/Collective.h"

#include <functional>
#include <memory>
#include <vector>

namespace tenon::test {

/// Makes a group whose member m has workers[m] workers. `here` becomes the members of this process.
/// Operands have kMostBytes at most. Null if the processes cannot hold so many members.
using MakeGroup = std::function<std::unique_ptr<collective::Group>(
    const std::vector<uint32_t> &workers, std::vector<uint32_t> &here)>;
inline constexpr uint64_t kMostBytes = uint64_t(1) << 20;

struct Check {
  const char *name;
  void (*run)(const MakeGroup &make);
};
/// All of them; each reports through GoogleTest.
const std::vector<Check> &conformanceChecks();

/// Runs `body` on every worker of the members `here`, and returns when all have.
void onWorkers(const std::vector<uint32_t> &workers, const std::vector<uint32_t> &here,
               const std::function<void(collective::Caller)> &body);

} // namespace tenon::test

#endif // TENON_TEST_COLLECTIVE_CONFORMANCE_H

//===- Collective.h - What chips say to each other --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// The one interface between the executor and whatever joins chips: shared memory in a process
// (Local.h), or another implementation behind the same class. A *group* is a sub-grid of chips, a
// *member* is a chip's place in it, in order of chip. A collective is entered by every worker of
// every member, in the same order of calls everywhere, with the same sizes; pointers are the
// member's own. Nothing here allocates once a group is made.
//
// Two promises that results stand on:
//   order    sums are taken in order of member, element by element and in f32, whoever comes first;
//   the
//            same inputs give the same bits on every member, whatever the rows beside them.
//   rows     worker w of W handles rows [rows*w/W, rows*(w+1)/W), as kernels do (KernelAbi.h): what
//   a
//            worker finds in its rows of an output on return it may read without another barrier.
// And one duty of the caller:
//   inputs   others may still read an input after the call has returned. It must not be written
//            before the next collective of the same group has returned (the plan's arena sees to
//            it).
//
#ifndef TENON_RUNTIME_COLLECTIVE_COLLECTIVE_H
#define TENON_RUNTIME_COLLECTIVE_COLLECTIVE_H

#include "runtime/base/Status.h"
#include "runtime/collective/Element.h"

#include <cstdint>
#include <span>

namespace tenon::collective {

/// Who calls: the member, and which of its workers.
struct Caller {
  uint32_t member = 0;
  uint32_t worker = 0;
  uint32_t workers = 1; ///< Of this member.
};

/// As the root of a gather: every member.
inline constexpr uint32_t kEveryone = UINT32_MAX;

class OverlappingGroup;

/// Chips that talk to each other. Thread-safe in the sense above; one collective at a time.
class Group {
public:
  virtual ~Group() = default;

  virtual uint32_t size() const = 0;

  /// out = sum over members of `in`, or with `how.accumulate` out += that. [rows, columns] of the
  /// elements that `how` says, rows contiguous; `out` differs from every member's `in`.
  virtual Status allReduce(const Caller &who, const void *in, void *out, uint64_t rows,
                           uint64_t columns, Addition how = {}) = 0;

  /// Puts the members' columns side by side: member m holds columns [begins[m], begins[m+1]) of
  /// `rows` rows, contiguous in its `in`. `begins` has size() + 1 entries. `out` [rows,
  /// begins.back()] of member `root` gets them, or everyone's; other members' may be null.
  virtual Status gatherColumns(const Caller &who, const void *in, void *out, uint64_t rows,
                               std::span<const uint64_t> begins, uint32_t root = kEveryone,
                               Element element = Element::F32) = 0;

  /// The contrary: out [rows, begins[m+1] - begins[m]] = the member's columns of the sum over
  /// members of `in` [rows, begins.back()].
  virtual Status reduceScatterColumns(const Caller &who, const void *in, void *out, uint64_t rows,
                                      std::span<const uint64_t> begins, Addition how = {}) = 0;

  /// data[0, bytes) of `root` to every member.
  virtual Status broadcast(const Caller &who, void *data, uint64_t bytes, uint32_t root) = 0;

  /// `bytes` from member `from` to member `to`; only the two call it. send returns when `data` may
  /// be written again.
  virtual Status send(const Caller &who, const void *data, uint64_t bytes, uint32_t to) = 0;
  virtual Status receive(const Caller &who, void *data, uint64_t bytes, uint32_t from) = 0;

  /// Returns when every worker of every member has called it; what they wrote before is visible.
  virtual Status barrier(const Caller &who) = 0;

  /// Member m's rows [rows*m/n, rows*(m+1)/n) of the sum over members of `in` [rows, columns], in
  /// their place in its `out` [rows, columns]; n is size(). Worker w of its W has the share of
  /// worker m*W + w of n*W.
  virtual Status reduceScatterRows(const Caller &who, const void *in, void *out, uint64_t rows,
                                   uint64_t columns, Addition how = {}) = 0;

  /// The contrary, in place: member m has written its rows, as above, of `data` [rows, rowBytes],
  /// and gets all others. Workers may find any of them written when all of the member's have
  /// returned, and their own member's rows count as an input: they must not be written before the
  /// next collective has returned.
  virtual Status gatherRows(const Caller &who, void *data, uint64_t rows, uint64_t rowBytes) = 0;

  /// The two above while the caller computes (Overlapping.h); null if rows do not travel by
  /// themselves in this group.
  virtual OverlappingGroup *overlapping() { return nullptr; }

  /// For good, by any thread, inside a collective or not: whoever waits in the group, and whoever
  /// calls it from now on, gets the first `why` instead. A chip that fails calls it so that no
  /// other waits for it.
  virtual void abort(const Status &why) = 0;
};

} // namespace tenon::collective

#endif // TENON_RUNTIME_COLLECTIVE_COLLECTIVE_H

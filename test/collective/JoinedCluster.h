//===- JoinedCluster.h - The job of a test that mpirun starts ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TEST_COLLECTIVE_JOINEDCLUSTER_H
#define TENON_TEST_COLLECTIVE_JOINEDCLUSTER_H

#include "runtime/collective/Cluster.h"

namespace tenon::test {

/// The one cluster of the process; main() has joined it.
collective::Cluster &cluster();

} // namespace tenon::test

#endif // TENON_TEST_COLLECTIVE_JOINEDCLUSTER_H

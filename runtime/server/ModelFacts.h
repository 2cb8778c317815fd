//===- ModelFacts.h - What a request is checked against ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_MODELFACTS_H
#define TENON_RUNTIME_SERVER_MODELFACTS_H

#include <cstdint>
#include <string>

namespace tenon::server {

struct ModelFacts {
  std::string id;          ///< What clients call it.
  uint32_t context = 0;    ///< Positions a sequence may have.
  uint32_t vocabulary = 0; ///< Ids are below.
  uint32_t hidden = 0;     ///< Numbers of a hidden state.
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_MODELFACTS_H

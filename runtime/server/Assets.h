//===- Assets.h - Files within the binary -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_ASSETS_H
#define TENON_RUNTIME_SERVER_ASSETS_H

#include <string_view>

/// runtime/server/assets, as they are.
namespace tenon::server::assets {

extern const std::string_view page;    ///< index.html
extern const std::string_view openApi; ///< openapi.json

} // namespace tenon::server::assets

#endif // TENON_RUNTIME_SERVER_ASSETS_H

//===- JsonImplementation.cpp - The code of Boost.JSON --------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Boost.JSON compiled here, once for all of Tenon: link tenon_json, and include <boost/json.hpp>.
//
#include <boost/json/src.hpp>

//===- BoostJson.cpp - The one copy of Boost.JSON -------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Boost.JSON is used header-only; its implementation is compiled here and nowhere else.
//
#include <boost/json/src.hpp>

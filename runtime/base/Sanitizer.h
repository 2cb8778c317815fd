//===- Sanitizer.h - Whether the build has one ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_BASE_SANITIZER_H
#define TENON_RUNTIME_BASE_SANITIZER_H

/// 1 under AddressSanitizer and ThreadSanitizer: they map terabytes and keep what was freed, so
/// neither the address space of a process nor its resident bytes say what it uses.
#define TENON_SANITIZED 0
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef TENON_SANITIZED
#define TENON_SANITIZED 1
#endif
#endif

#endif // TENON_RUNTIME_BASE_SANITIZER_H

//===- Tls.h - The server's certificate -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_TLS_H
#define TENON_RUNTIME_SERVER_TLS_H

#include "runtime/base/Status.h"

#include <memory>
#include <mutex>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace tenon::server {

/// A certificate and its key, from two PEM files. TLS 1.2 and 1.3. Any thread may use it.
class Tls {
public:
  using Context = std::shared_ptr<boost::asio::ssl::context>;

  /// NotFound or InvalidArgument names the file and what is wrong with it; Unsupported if this
  /// program was built without OpenSSL.
  static StatusOr<std::unique_ptr<Tls>> open(std::string certificate, std::string key);

  /// Reads both files again. If that fails, what was there stays.
  Status reload();

  /// For a new connection.
  Context current() const;

private:
  Tls(std::string certificate, std::string key);
  const std::string certificate, key;
  mutable std::mutex mutex;
  Context context;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_TLS_H

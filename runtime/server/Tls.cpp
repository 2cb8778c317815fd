//===- Tls.cpp - The server's certificate ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Tls.h"

#include <fmt/core.h>

#if TENON_HAS_TLS
#include <boost/asio/ssl/context.hpp>

#include <openssl/ssl.h>

#include <cstring>
#endif

namespace tenon::server {

Tls::Tls(std::string certificate, std::string key)
    : certificate(std::move(certificate)), key(std::move(key)) {}

StatusOr<std::unique_ptr<Tls>> Tls::open(std::string certificate, std::string key) {
  std::unique_ptr<Tls> tls(new Tls(std::move(certificate), std::move(key)));
  TENON_RETURN_IF_ERROR(tls->reload());
  return tls;
}

Tls::Context Tls::current() const {
  const std::lock_guard lock(mutex);
  return context;
}

#if TENON_HAS_TLS

/// HTTP/1.1 is what is spoken here; a client that offers protocols without it hears so.
static int chooseProtocol(SSL *, const unsigned char **chosen, unsigned char *chosenSize,
                          const unsigned char *offered, unsigned offeredSize, void *) {
  static const unsigned char wanted[] = "\x08http/1.1";
  for (unsigned at = 0; at < offeredSize; at += 1u + offered[at]) {
    if (offered[at] != 8 || at + 9 > offeredSize || std::memcmp(offered + at, wanted, 9) != 0)
      continue;
    *chosen = offered + at + 1;
    *chosenSize = 8;
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

Status Tls::reload() {
  namespace ssl = boost::asio::ssl;
  const auto made = std::make_shared<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  made->use_certificate_chain_file(certificate, error);
  if (error)
    return Status::invalidArgument(
        fmt::format("--tls-cert {}: no certificate could be read ({}); a "
                    "PEM file with the chain is wanted",
                    certificate, error.message()));
  made->use_private_key_file(key, ssl::context::pem, error);
  if (error)
    return Status::invalidArgument(fmt::format("--tls-key {}: no key of that certificate could be "
                                               "read ({}); a PEM file without a password is wanted",
                                               key, error.message()));
  SSL_CTX *const native = made->native_handle();
  if (SSL_CTX_check_private_key(native) != 1)
    return Status::invalidArgument(
        fmt::format("--tls-key {}: it is not the key of {}", key, certificate));
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  // Renegotiation lets a client ask for work without end; compression tells lengths.
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(native, chooseProtocol, nullptr);
  const std::lock_guard lock(mutex);
  context = made;
  return Status::ok();
}

#else

Status Tls::reload() {
  return Status::unsupported("--tls-cert: this program was built without TLS; build it where "
                             "OpenSSL's static libraries are, or put a proxy in front");
}

#endif

} // namespace tenon::server

//===- Transport.h - A socket, with or without TLS --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_TRANSPORT_H
#define TENON_RUNTIME_SERVER_TRANSPORT_H

#include <boost/asio/ip/tcp.hpp>
#if TENON_HAS_TLS
#include <boost/asio/ssl/stream.hpp>
#endif

#include <memory>
#include <utility>

namespace tenon::server {

/// What a connection reads from and writes to: Asio's AsyncReadStream and AsyncWriteStream. One
/// read and one write may be outstanding at once. Used on one thread.
class Transport {
public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;
  using Error = boost::system::error_code;

  explicit Transport(Socket s) : socket(std::move(s)) {
    Error ignored;
    socket.non_blocking(true, ignored); // For write_some(); asynchronous operations do not mind.
  }
#if TENON_HAS_TLS
  Transport(Socket s, boost::asio::ssl::context &tls) : Transport(std::move(s)) {
    secure = std::make_unique<boost::asio::ssl::stream<Socket &>>(socket, tls);
  }
#endif

  executor_type get_executor() { return socket.get_executor(); }
  Socket &plain() { return socket; }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers &buffers, Handler &&handler) {
#if TENON_HAS_TLS
    if (secure)
      return secure->async_read_some(buffers, std::forward<Handler>(handler));
#endif
    socket.async_read_some(buffers, std::forward<Handler>(handler));
  }

  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers &buffers, Handler &&handler) {
#if TENON_HAS_TLS
    if (secure)
      return secure->async_write_some(buffers, std::forward<Handler>(handler));
#endif
    socket.async_write_some(buffers, std::forward<Handler>(handler));
  }

  /// What the system takes at once; `would_block` if that is nothing. Under TLS always nothing: a
  /// record must not be left half written.
  template <typename Buffers> size_t write_some(const Buffers &buffers, Error &error) {
#if TENON_HAS_TLS
    if (secure) {
      error = boost::asio::error::would_block;
      return 0;
    }
#endif
    return socket.write_some(buffers, error);
  }

  /// Agrees on keys, if there is TLS.
  template <typename Handler> void handshake(Handler &&handler) {
#if TENON_HAS_TLS
    if (secure)
      return secure->async_handshake(boost::asio::ssl::stream_base::server,
                                     std::forward<Handler>(handler));
#endif
    handler(Error());
  }

  /// Says that nothing more will be sent. `handler` is only there to keep its owner alive.
  template <typename Handler> void finishSending(Handler &&handler) {
#if TENON_HAS_TLS
    if (secure)
      return secure->async_shutdown(std::forward<Handler>(handler));
#endif
    Error ignored;
    socket.shutdown(Socket::shutdown_send, ignored);
  }

  bool isSecure() const {
#if TENON_HAS_TLS
    return secure != nullptr;
#else
    return false;
#endif
  }

private:
  Socket socket;
#if TENON_HAS_TLS
  std::unique_ptr<boost::asio::ssl::stream<Socket &>> secure;
#endif
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_TRANSPORT_H

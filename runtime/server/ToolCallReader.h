//===- ToolCallReader.h - Calls within an answer ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_TOOLCALLREADER_H
#define TENON_RUNTIME_SERVER_TOOLCALLREADER_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::server {

/// Takes an answer in pieces, wherever they are cut, and tells text from calls (ToolFields.h has
/// their form).
class ToolCallReader {
public:
  struct Piece {
    enum class Kind : uint8_t {
      Text,      ///< Belongs to the content.
      Name,      ///< A call begins; `text` is the function's name.
      Arguments, ///< More of the arguments' JSON.
      End,       ///< The call is complete.
    };
    Kind kind;
    std::string text;
  };

  /// Appends what `text` completes.
  void push(std::string_view text, std::vector<Piece> &out);
  /// The answer has ended: appends what was held back.
  void finish(std::vector<Piece> &out);

  uint32_t completed() const { return calls; } ///< Whole calls so far.

private:
  enum class State : uint8_t { Text, Head, Arguments, Tail };
  bool readText(std::vector<Piece> &out);
  bool readHead(std::vector<Piece> &out);
  bool readArguments(std::vector<Piece> &out);

  State state = State::Text;
  std::string held;     ///< Not yet understood.
  uint32_t depth = 0;   ///< Open braces and brackets of the arguments.
  bool begun = false;   ///< Something of the arguments but white space has come.
  bool quoted = false;  ///< Within a string of theirs ...
  bool escaped = false; ///< ... after a backslash.
  bool any = false;     ///< A call has begun: white space around calls is no content.
  bool fresh = false;   ///< No text came since the last call.
  uint32_t calls = 0;
};

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_TOOLCALLREADER_H

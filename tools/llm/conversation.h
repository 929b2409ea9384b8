// A conversation at a terminal or through a pipe.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "llm/text_model.h"

namespace monza::tool {

/// Lines in, answers out. Messages are lines; one that ends with '\' goes on in the next, and what stands between two
/// lines of """ is one message. Lines that begin with '/' are commands.
class Conversation {
 public:
  /// `prompts`: shows "> " where a person is to write.
  Conversation(llm::TextModel& model, llm::GenerateOptions options, std::string system, bool prompts);

  /// Until the end of `in`, or /exit.
  void run(std::istream& in);

 private:
  bool read_message(std::istream& in, std::string& message) const;
  bool command(const std::string& line);
  void answer();
  void reset();
  void save(const std::string& path) const;

  llm::TextModel& model_;
  llm::GenerateOptions options_;
  std::string system_;
  const bool prompts_;
  std::vector<llm::ChatMessage> messages_;
};

}  // namespace monza::tool

#include "tools/llm/conversation.h"

#include <istream>

#include "base/error.h"
#include "base/output_file.h"
#include "tools/llm/sampling_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

constexpr const char* kHelp =
    "/help             this\n"
    "/reset            forget the conversation, but not the system's words\n"
    "/system [TEXT]    the system's words from now on, none without TEXT; forgets the conversation\n"
    "/retry            another answer to the last question\n"
    "/template         the model's chat template\n"
    "/prompt           the text that the model is given of this conversation\n"
    "/save FILE        the conversation as JSON\n"
    "/exit             or the end of input, Ctrl-D\n"
    "A line that ends with \\ goes on in the next; lines between two lines of \"\"\" are one message.\n"
    "Ctrl-C ends an answer.\n";
constexpr const char* kFence = "\"\"\"";

}  // namespace

Conversation::Conversation(llm::TextModel& model, llm::GenerateOptions options, std::string system, bool prompts)
    : model_(model), options_(std::move(options)), system_(std::move(system)), prompts_(prompts) {
  reset();
}

void Conversation::reset() {
  messages_.clear();
  if (!system_.empty()) messages_.push_back({"system", system_});
}

void Conversation::run(std::istream& in) {
  std::string message;
  while (read_message(in, message)) {
    if (message.starts_with('/')) {
      if (!command(message)) return;
    } else if (!message.empty()) {
      messages_.push_back({"user", message});
      answer();
    }
  }
  if (prompts_) print("\n");
}

bool Conversation::read_message(std::istream& in, std::string& message) const {
  message.clear();
  bool fenced = false;
  for (;;) {
    if (prompts_) print("{}", message.empty() && !fenced ? "> " : ". "), flush_output();
    std::string line;
    if (!std::getline(in, line)) return !message.empty();
    if (line.ends_with('\r')) line.pop_back();
    if (line == kFence) {
      if (fenced) {
        if (!message.empty()) message.pop_back();  // the line feed before the fence
        return true;
      }
      fenced = true;
      continue;
    }
    const bool more = !fenced && line.ends_with('\\');
    if (more) line.pop_back();
    message += line;
    if (!fenced && !more) return true;
    message += '\n';
  }
}

/// False when it is the end.
bool Conversation::command(const std::string& line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string name = line.substr(0, space), rest = line.substr(std::min(space + 1, line.size()));
  try {
    if (name == "/exit" || name == "/quit" || name == "/bye") return false;
    if (name == "/help") {
      print("{}", Lines{kHelp});
    } else if (name == "/reset") {
      reset();
    } else if (name == "/system") {
      system_ = rest;
      reset();
    } else if (name == "/retry") {
      if (messages_.empty() || messages_.back().role != "assistant") fail("there is no answer yet");
      messages_.pop_back();
      ++options_.sampling.seed;
      answer();
    } else if (name == "/template") {
      print("{}\n", Lines{model_.chat().source()});
    } else if (name == "/prompt") {
      print("{}\n", Lines{model_.chat().render(messages_)});
    } else if (name == "/save") {
      if (rest.empty()) fail("/save needs the name of a file");
      save(rest);
    } else {
      fail_hint("/help", "there is no command '{}'", name);
    }
  } catch (const Error& e) {
    note(e.what());
  }
  return true;
}

void Conversation::answer() {
  const Interruptible interruptible;
  try {
    const std::string prompt = model_.chat().render(messages_);
    const llm::Generated made =
        model_.generate(model_.tokenizer().encode(prompt, false).tokens, options_, [&](std::string_view text) {
          print("{}", Lines{std::string(text)});
          flush_output();
          return !interruptible.interrupted();
        });
    print("\n");
    flush_output();
    messages_.push_back({"assistant", made.text});
    note(timing_text(made));
  } catch (const Error& e) {  // a conversation that is too long, or refused by the template
    messages_.pop_back();
    note(e.what());
  }
}

void Conversation::save(const std::string& path) const {
  Json list = Json::array();
  for (const llm::ChatMessage& m : messages_) list.push_back({{"role", m.role}, {"content", m.content}});
  write_file(path, json_text({{"messages", list}}) + "\n");
}

}  // namespace monza::tool

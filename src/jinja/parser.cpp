// Statements of a template.
#include <algorithm>
#include <array>

#include "jinja/ast.h"
#include "jinja/expression_parser.h"

namespace monza::jinja {
namespace {

constexpr int kMaxBodies = 50;  ///< bodies within bodies

class Parser {
 public:
  explicit Parser(std::string_view source) : words_(words_of(source)), expressions_(words_) {}

  Body all() {
    Body body = body_until({});
    if (!words_.is(Word::Kind::end)) words_.unexpected("the end");
    return body;
  }

 private:
  using Ends = std::vector<std::string_view>;

  /// Statements up to a tag that begins with one of `ends`, whose name is taken.
  Body body_until(const Ends& ends) {
    if (++depth_ > kMaxBodies) fail("line {}: statements nest more than {} deep", words_.now().line, kMaxBodies);
    Body body;
    const int begin = words_.now().line;
    for (;;) {
      const Word& word = words_.now();
      if (word.kind == Word::Kind::end) {
        if (!ends.empty()) fail("line {}: there is no {} for what begins here", begin, ends.back());
        break;
      }
      if (word.kind == Word::Kind::data) {
        body.push_back({Statement::Kind::data, word.line, word.text, {}, {}, {}});
        words_.take();
      } else if (word.kind == Word::Kind::output) {
        words_.take();
        Statement output{Statement::Kind::output, word.line, {}, {}, {}, {}};
        output.expressions.push_back(expressions_.tuple());
        need(Word::Kind::output_end, "'}}'");
        body.push_back(std::move(output));
      } else {
        need(Word::Kind::tag, "a tag");
        if (words_.is(Word::Kind::name) && std::find(ends.begin(), ends.end(), words_.now().text) != ends.end()) break;
        statement(body);
      }
    }
    --depth_;
    return body;
  }

  void need(Word::Kind kind, std::string_view wanted) {
    if (!words_.is(kind)) words_.unexpected(wanted);
    words_.take();
  }
  void need_tag_end() { need(Word::Kind::tag_end, "'%}'"); }

  /// A body, and the tag that ends it.
  Body body_to(std::string_view end) {
    Body body = body_until({end});
    words_.take();
    if (words_.is(Word::Kind::name)) words_.take();  // endmacro and others may repeat the name
    need_tag_end();
    return body;
  }

  void statement(Body& body) {
    Statement made{Statement::Kind::data, words_.now().line, {}, {}, {}, {}};
    const std::string name = words_.need_name();
    if (name == "if") condition(made);
    else if (name == "for") loop(made);
    else if (name == "set") set(made);
    else if (name == "macro") macro(made);
    else if (name == "filter") filter(made);
    else if (name == "break" || name == "continue") jump(made, name == "break");
    else if (name == "generation") return generation(body);
    else
      fail_hint("a template of if, for, set, macro, filter, break, continue and raw",
                "line {}: the statement '{}' is not supported", made.line, name);
    body.push_back(std::move(made));
  }

  /// What the model says, for training: it changes no text.
  void generation(Body& body) {
    need_tag_end();
    for (Statement& s : body_to("endgeneration")) body.push_back(std::move(s));
  }

  void condition(Statement& made) {
    made.kind = Statement::Kind::condition;
    for (bool more = true; more;) {
      made.expressions.push_back(expressions_.tuple());
      need_tag_end();
      made.bodies.push_back(body_until({"elif", "else", "endif"}));
      more = words_.take_name("elif");
    }
    if (words_.take_name("else")) {
      need_tag_end();
      made.bodies.push_back(body_until({"endif"}));
    }
    words_.need_name("endif");
    need_tag_end();
  }

  void loop(Statement& made) {
    made.kind = Statement::Kind::loop;
    made.names = targets();
    words_.need_name("in");
    made.expressions.push_back(expressions_.tuple(false));
    if (words_.take_name("if")) made.expressions.push_back(expressions_.expression());
    if (words_.is_name("recursive")) fail("line {}: recursive loops are not supported", made.line);
    need_tag_end();
    ++loops_;
    made.bodies.push_back(body_until({"else", "endfor"}));
    --loops_;
    if (words_.take_name("else")) {
      need_tag_end();
      made.bodies.push_back(body_until({"endfor"}));
    }
    words_.need_name("endfor");
    need_tag_end();
  }

  void jump(Statement& made, bool stops) {
    if (loops_ == 0) fail("line {}: '{}' stands in no loop", made.line, stops ? "break" : "continue");
    made.kind = stops ? Statement::Kind::stop : Statement::Kind::go_on;
    need_tag_end();
  }

  /// Names with commas between them, in brackets or not.
  std::vector<std::string> targets() {
    std::vector<std::string> names;
    const bool bracket = words_.take_sign("(");
    do names.push_back(words_.need_name());
    while (words_.take_sign(","));
    if (bracket) words_.need_sign(")");
    return names;
  }

  void set(Statement& made) {
    made.names = targets();
    if (words_.take_sign(".")) made.text = words_.need_name();
    if (words_.take_sign("=")) {
      made.kind = Statement::Kind::set;
      made.expressions.push_back(expressions_.tuple());
      return need_tag_end();
    }
    made.kind = Statement::Kind::set_body;
    if (words_.is_sign("|")) made.expressions.push_back(expressions_.filters(body_name()));
    need_tag_end();
    made.bodies.push_back(body_to("endset"));
  }

  void filter(Statement& made) {
    made.kind = Statement::Kind::filter_body;
    made.expressions.push_back(expressions_.filters(expressions_.filter(body_name())));
    need_tag_end();
    made.bodies.push_back(body_to("endfilter"));
  }

  Expression body_name() const { return {Expression::Kind::name, words_.now().line, kBodyName, None{}, {}, {}, 1}; }

  void macro(Statement& made) {
    made.kind = Statement::Kind::macro;
    made.text = words_.need_name();
    words_.need_sign("(");
    while (!words_.is_sign(")")) {
      made.names.push_back(words_.need_name());
      if (words_.take_sign("=")) made.expressions.push_back(expressions_.expression());
      else if (!made.expressions.empty()) words_.unexpected("a default, as the parameter before has one");
      if (!words_.take_sign(",")) break;
    }
    words_.need_sign(")");
    need_tag_end();
    const int loops = std::exchange(loops_, 0);
    made.bodies.push_back(body_to("endmacro"));
    loops_ = loops;
  }

  WordReader words_;
  ExpressionParser expressions_;
  int depth_ = 0, loops_ = 0;
};

}  // namespace

Body parse(std::string_view source) { return Parser(source).all(); }

}  // namespace monza::jinja

// The one place that includes Beast's parser, whose headers cost a compiler seconds.
#include "serve/http_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <charconv>
#include <variant>

#include "serve/request_error.h"

namespace monza::serve {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using Text = beast::string_view;
using Code = beast::error_code;

/// The header of the binary tensor extension; Beast's table of names does not know it.
constexpr Text kInferenceHeader = "Inference-Header-Content-Length";

/// At least so many bytes of a chunked body are left where the parser stops inside it: "0\r\n\r\n" ends it, and is
/// taken at once. With fewer at hand the parser is not asked: having seen "0\r\n" alone, it asserts that the rest has
/// come.
constexpr std::size_t kLeastTail = 5;

/// Takes what it is called with into a head and a body, and allocates nothing for fields that nobody asks about.
template <bool is_request>
class FieldParser final : public http::basic_parser<is_request> {
 public:
  FieldParser(HttpHead& head, std::size_t max_head, std::uint64_t max_body) : head_(head) {
    this->header_limit(static_cast<std::uint32_t>(max_head));
    this->body_limit(max_body);
  }
  std::string* body = nullptr;

 private:
  void on_request_impl(http::verb /*verb*/, Text method, Text target, int /*version*/, Code& /*error*/) override {
    head_.method.assign(method.data(), method.size());
    head_.target.assign(target.data(), target.size());
  }
  void on_response_impl(int status, Text /*reason*/, int /*version*/, Code& /*error*/) override {
    head_.status = status;
  }
  void on_field_impl(http::field name, Text name_text, Text value, Code& error) override {
    if (name == http::field::content_encoding) {
      head_.encoded = head_.encoded || !beast::iequals(value, "identity");
    } else if (name == http::field::authorization) {
      if (!head_.authorization.empty()) error = http::error::bad_value;
      head_.authorization.assign(value.data(), value.size());
    } else if (name == http::field::expect) {
      head_.expects_continue = beast::iequals(value, "100-continue");
    } else if (name == http::field::unknown && beast::iequals(name_text, "traceparent")) {
      head_.traceparent.assign(value.data(), value.size());
    } else if (name == http::field::unknown && beast::iequals(name_text, kInferenceHeader)) {
      std::uint64_t number = 0;
      const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (failure != std::errc() || end != value.data() + value.size() || head_.inference_header)
        error = http::error::bad_value;
      head_.inference_header = number;
    }
  }
  void on_header_impl(Code& /*error*/) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/, Code& /*error*/) override {}
  std::size_t on_body_impl(Text content, Code& /*error*/) override {
    if (body != nullptr) body->append(content.data(), content.size());
    return content.size();
  }
  void on_chunk_header_impl(std::uint64_t /*size*/, Text /*extensions*/, Code& /*error*/) override {}
  std::size_t on_chunk_body_impl(std::uint64_t /*left*/, Text content, Code& error) override {
    return on_body_impl(content, error);
  }
  void on_finish_impl(Code& /*error*/) override {}

  HttpHead& head_;
};

[[noreturn]] void refuse(const Code& error) {
  if (error == http::error::header_limit) fail_with(431, "the head of the request is too long");
  if (error == http::error::body_limit) fail_with(413, "the body of the request is too long");
  fail_with(400, "this is no HTTP/1.1: {}", error.message());
}

}  // namespace

struct HttpReader::Parser {
  std::variant<std::monostate, FieldParser<true>, FieldParser<false>> parser;

  template <typename F>
  auto visit(F&& f) {
    return parser.index() == 1 ? f(std::get<1>(parser)) : f(std::get<2>(parser));
  }
};

HttpReader::HttpReader(Kind kind, std::size_t max_head)
    : kind_(kind), max_head_(max_head), parser_(std::make_unique<Parser>()) {
  reset(0);
}
HttpReader::~HttpReader() = default;

void HttpReader::reset(std::uint64_t max_body) {
  head_ = {};
  head_done_ = false;
  head_bytes_ = 0;
  if (kind_ == Kind::requests) parser_->parser.emplace<1>(head_, max_head_, max_body);
  else parser_->parser.emplace<2>(head_, max_head_, max_body);
}

std::size_t HttpReader::read_head(std::string_view bytes) {
  return parser_->visit([&](auto& parser) {
    Code error;
    const std::size_t used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    if (error && error != http::error::need_more) refuse(error);
    // The parser's limit is one of a line.
    head_bytes_ += used;
    if (head_bytes_ > max_head_) refuse(http::error::header_limit);
    head_done_ = parser.is_header_done();
    if (head_done_) {
      head_.chunked = parser.chunked();
      if (const auto length = parser.content_length(); length && !head_.chunked) head_.content_length = *length;
      head_.keep_alive = parser.keep_alive();
    }
    return used;
  });
}

std::size_t HttpReader::read_chunks(std::string_view bytes, std::string& body) {
  return parser_->visit([&](auto& parser) {
    parser.body = &body;
    std::size_t used = 0;
    while (bytes.size() - used >= kLeastTail && !parser.is_done()) {
      Code error;
      const std::size_t n = parser.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), error);
      used += n;
      if (error && error != http::error::need_more) refuse(error);
      if (n == 0) break;
    }
    parser.body = nullptr;
    return used;
  });
}

bool HttpReader::chunks_done() const {
  return parser_->visit([](const auto& parser) { return parser.is_done(); });
}

}  // namespace monza::serve

#include "serve/http_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "serve/bytes_tensor.h"
#include "serve/json_out.h"
#include "serve/request_error.h"
#include "serve/request_steps.h"
#include "serve/stream.h"
#include "serve/task.h"

namespace monza::serve {
namespace {

constexpr std::size_t kBuffer = 16 << 10, kKeptBuffer = 64 << 10;
/// Rather than read on to the end of a longer body that nobody wants, the connection is closed.
constexpr std::uint64_t kMostDiscarded = 1 << 20;
/// Of a chunk's own line, and of trailers.
constexpr std::size_t kMostChunkLine = 16 << 10;
constexpr std::size_t kMostPieces = 16;

const char* reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Internal Server Error";
  }
}

}  // namespace

HttpSession::HttpSession(Service& service, Purpose purpose, Wake wake, void* user)
    : service_(service),
      purpose_(purpose),
      wake_(wake),
      user_(user),
      reader_(HttpReader::Kind::requests, service.limits.max_head) {
  reader_.reset(service_.limits.max_body);
  allow(service_.limits.idle_time);
}

HttpSession::~HttpSession() { (void)disconnect(); }

void HttpSession::allow(std::chrono::milliseconds time, std::uint64_t bytes) {
  deadline_ = Clock::now() + time +
              std::chrono::milliseconds(bytes * 1000 / static_cast<std::uint64_t>(service_.limits.least_rate));
}

void HttpSession::consume(std::size_t bytes) {
  begin_ += bytes;
  if (begin_ < end_) return;
  begin_ = end_ = 0;
  if (buffer_.size() > kKeptBuffer) std::vector<std::byte>().swap(buffer_);
}

/// At least one free byte behind end_. The buffer grows as it fills, not by what a length promises.
void HttpSession::make_room() {
  if (buffer_.empty()) buffer_.resize(kBuffer);
  if (end_ < buffer_.size()) return;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
}

std::span<const std::span<std::byte>> HttpSession::receive_space() {
  if (state_ == State::tensors) {
    const std::span<const std::span<std::byte>> left(targets_);
    return left.subspan(target_, std::min(kMostPieces, targets_.size() - target_));
  }
  make_room();
  space_.assign(1, std::span(buffer_).subspan(end_));
  return space_;
}

void HttpSession::received(std::size_t bytes) {
  if (state_ != State::tensors) {
    end_ += bytes;
  } else {
    body_left_ -= bytes;
    while (bytes > 0) {
      std::span<std::byte>& target = targets_[target_];
      const std::size_t n = std::min(bytes, target.size());
      target = target.subspan(n);
      bytes -= n;
      if (target.empty()) ++target_;
    }
  }
  advance();
}

void HttpSession::advance() {
  try {
    while (want_ == Want::bytes && step()) {
    }
  } catch (const RequestError& e) {
    refuse(e.status(), e.fact(), refusal_reason(e.status()));
  } catch (const std::exception&) {
    fail_here();
  }
}

/// What nobody foresaw ends this connection, not the server. Its words may be of files.
void HttpSession::fail_here() {
  close_ = true;
  refuse(500, "the request could not be answered", Reason::failed);
}

/// Uses what is at hand; false when more is needed.
bool HttpSession::step() {
  switch (state_) {
    case State::head: return read_head();
    case State::chunks: return read_chunks();
    case State::json: return read_json();
    case State::tensors: return read_tensors();
    case State::discard: return discard();
    default: return false;
  }
}

bool HttpSession::read_head() {
  if (begin_ == end_) return false;
  if (!begun_) {
    begun_ = true;
    allow(service_.limits.head_time);
  }
  try {
    consume(reader_.read_head(buffered()));
    if (!reader_.head_done()) {
      if (end_ - begin_ >= service_.limits.max_head) fail_with(431, "the head of the request is too long");
      return false;
    }
  } catch (const RequestError&) {
    close_ = true;  // where the next request begins is not known
    throw;
  }
  begin_body();
  return true;
}

void HttpSession::begin_body() {
  started_at_ = Clock::now();
  recorded_ = !service_.observer.on();
  const HttpHead& head = reader_.head();
  chunks_left_ = head.chunked;
  body_left_ = head.content_length.value_or(0);
  if (head.expects_continue) close_ = true;  // unless it is told to go on, below, the body may never come
  route_ = service_.route(head.method, head.target);
  if ((purpose_ == Purpose::metrics) != (route_.what == Route::What::metrics))
    fail_with(404, "there is nothing at '{}'", head.target.substr(0, 200));
  if (!service_.access.allows(head.authorization, need_of(route_.what)))
    fail_with(401, "this needs a token: Authorization: Bearer TOKEN");
  if (service_.admin_apart && purpose_ != Purpose::admin && need_of(route_.what) == Access::Need::admin)
    fail_with(403, "this is for the port of admins alone");
  if (!takes_body(route_.what)) {
    if (chunks_left_ || body_left_ > kMostDiscarded) fail_with(413, "the body of the request is too long");
    answer_now({});
    return;
  }
  const bool infers = route_.what == Route::What::infer;
  if (infers) queue_ = service_.model(route_.model, route_.version);
  if (head.encoded) fail_with(415, "a body with a Content-Encoding is not supported: send it as it is");
  if (infers && !head.chunked && !head.content_length) fail_with(411, "the request has no Content-Length");
  if (!infers && body_left_ > most_body()) fail_with(413, "the body is longer than {} bytes", most_body());
  if (head.inference_header && *head.inference_header > service_.limits.max_json)
    fail_with(413, "the JSON before the tensors is longer than {} bytes", service_.limits.max_json);
  if (!head.chunked && head.inference_header.value_or(0) > body_left_)
    fail_with(400, "Inference-Header-Content-Length is larger than Content-Length");
  const bool has_tensors = head.inference_header.has_value() && route_.what != Route::What::task;
  json_bytes_ = static_cast<std::size_t>(has_tensors ? *head.inference_header : body_left_);
  chunks_.clear();
  state_ = head.chunked ? State::chunks : State::json;
  allow(service_.limits.transfer_time, body_left_);
  if (head.expects_continue) {
    close_ = false;
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    pieces_.assign(1, std::as_bytes(std::span(out_)));
    piece_ = 0;
    want_ = Want::send;
  }
}

bool HttpSession::read_chunks() {
  try {
    const std::size_t used = reader_.read_chunks(buffered(), chunks_);
    consume(used);
    allow(service_.limits.transfer_time -
              std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_at_),
          chunks_.size());
    if (route_.what != Route::What::infer && chunks_.size() > most_body())
      fail_with(413, "the body is longer than {} bytes", most_body());
    if (!reader_.chunks_done()) {
      if (end_ - begin_ >= kMostChunkLine) fail_with(400, "a chunk's line is too long");
      return false;
    }
  } catch (const RequestError&) {
    close_ = true;
    throw;
  }
  chunks_left_ = false;
  std::size_t json = static_cast<std::size_t>(reader_.head().inference_header.value_or(chunks_.size()));
  if (json > chunks_.size()) fail_with(400, "Inference-Header-Content-Length is larger than the body");
  if (route_.what == Route::What::task) json = chunks_.size();
  use_json(std::string_view(chunks_).substr(0, json), chunks_.size() - json);
  if (state_ != State::chunks) return true;
  std::string_view rest = std::string_view(chunks_).substr(json);
  for (const std::span<std::byte> target : targets_) {
    std::memcpy(target.data(), rest.data(), target.size());
    rest.remove_prefix(target.size());
  }
  targets_.clear();
  submit();
  return true;
}

bool HttpSession::read_json() {
  if (end_ - begin_ < json_bytes_) return false;
  body_left_ -= json_bytes_;
  try {
    use_json(buffered().substr(0, json_bytes_), body_left_);
  } catch (const RequestError&) {
    consume(json_bytes_);
    throw;
  }
  consume(json_bytes_);
  if (state_ == State::json) state_ = State::tensors;
  return true;
}

void HttpSession::use_json(std::string_view json, std::uint64_t binary_bytes) {
  if (route_.what == Route::What::infer) accept(json, binary_bytes);
  else if (route_.what == Route::What::task) start_task(json);
  else if (route_.what == Route::What::load || route_.what == Route::What::unload) change_models(json);
  else answer_now(json);
}

/// Of a body that is no inference's.
std::uint64_t HttpSession::most_body() const {
  if (route_.what != Route::What::task) return service_.limits.max_json;
  return std::min(route_.task->max_body(), service_.limits.max_body);
}

void HttpSession::start_task(std::string_view body) {
  const std::string& target = reader_.head().target;
  const std::size_t query = std::min(target.find('?'), target.size() - 1) + 1;
  state_ = State::result;
  want_ = Want::result;
  deadline_ = Clock::time_point::max();
  task_runs_ = true;
  const auto json = static_cast<std::size_t>(reader_.head().inference_header.value_or(body.size()));
  const auto work = [this, request = TaskRequest{target.substr(query), std::string(body), json}] {
    const auto refused = [&](int status, std::string_view text) {
      task_answer_ = {status, route_.task->error(status, text), "application/json", ""};
    };
    try {
      task_answer_ = route_.task->answer(request);
    } catch (const RequestError& e) {
      refused(e.status(), e.fact());
    } catch (const std::exception&) {  // its words may be of files
      refused(500, "the request could not be answered");
    }
    wake_(user_);
  };
  if (service_.task_threads.add(work)) return;
  task_runs_ = false;
  fail_with(429, "too much waits: try again");
}

void HttpSession::finish_task() {
  task_runs_ = false;
  if (gone_) {
    if (task_answer_.stream != nullptr) (void)task_answer_.stream->leave();
    want_ = Want::close;
    return;
  }
  stream_ = std::move(task_answer_.stream);
  if (stream_ != nullptr) {
    if (task_answer_.whole) {
      if (await_stream()) finish_stream();
    } else {
      begin_pieces();
    }
    return;
  }
  json_ = std::move(task_answer_.body);
  if (!task_answer_.binary.empty()) binary_.push_back(std::as_bytes(std::span(task_answer_.binary)));
  send_answer(task_answer_.status, task_answer_.type, task_answer_.status == 429 ? "Retry-After: 1\r\n" : "");
  advance();
}

bool HttpSession::await_stream() {
  want_ = Want::result;
  deadline_ = Clock::time_point::max();
  return stream_->await(task_answer_.whole, wake_, user_);
}

/// There is something to take of the stream.
void HttpSession::finish_stream() {
  if (gone_) {
    want_ = Want::close;
    return;
  }
  if (!task_answer_.whole) return next_piece();
  Stream::Taken taken = stream_->take();
  stream_ = nullptr;
  json_ = std::move(taken.text);
  send_answer(taken.status, task_answer_.type, "");
  advance();
}

/// The head of an answer in chunks; what is in them follows.
void HttpSession::begin_pieces() {
  stream_ended_ = false;
  answer_status_ = 200;
  answer_bytes_ = 0;
  close_ = close_ || end_soon_ || service_.draining || !reader_.head().keep_alive || chunks_left_;
  out_ = fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n{}\r\n",
      task_answer_.type, close_ ? "Connection: close\r\n" : "");
  service_.metrics.answers[2].fetch_add(1, std::memory_order_relaxed);
  pieces_.assign(1, std::as_bytes(std::span(out_)));
  piece_ = 0;
  state_ = State::piece;
  want_ = Want::send;
  allow(service_.limits.transfer_time);
}

void HttpSession::next_piece() {
  Stream::Taken taken = stream_->take();
  out_.clear();
  if (!taken.text.empty()) fmt::format_to(std::back_inserter(out_), "{:x}\r\n{}\r\n", taken.text.size(), taken.text);
  if (taken.ended) out_ += "0\r\n\r\n";
  stream_ended_ = taken.ended;
  answer_bytes_ += taken.text.size();
  pieces_.assign(1, std::as_bytes(std::span(out_)));
  piece_ = 0;
  want_ = Want::send;
  allow(service_.limits.transfer_time, out_.size());
}

void HttpSession::change_models(std::string_view body) {
  service_.change_models(route_, body, [this](int status, const std::string& words) {
    task_answer_ = {status, status == 200 ? "" : error_json(words)};
    wake_(user_);
  });
  state_ = State::result;
  want_ = Want::result;
  deadline_ = Clock::time_point::max();
  task_runs_ = true;
}

/// What stands in the buffer is copied to where it belongs; the rest is received there.
bool HttpSession::read_tensors() {
  while (target_ < targets_.size()) {
    std::span<std::byte>& target = targets_[target_];
    const std::size_t n = std::min(target.size(), end_ - begin_);
    if (n > 0) std::memcpy(target.data(), buffer_.data() + begin_, n);
    consume(n);
    body_left_ -= n;
    target = target.subspan(n);
    if (!target.empty()) return false;
    ++target_;
  }
  submit();
  return true;
}

bool HttpSession::discard() {
  const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, end_ - begin_));
  consume(n);
  body_left_ -= n;
  if (body_left_ > 0) return false;
  next_message();
  return true;
}

void HttpSession::answer_now(std::string_view body) {
  const Answer answer = service_.answer(route_, body);
  json_ = answer.body;
  send_answer(answer.status, answer.type, "");
}

/// Takes a place in a batch for the request, and notes where its bytes belong.
void HttpSession::accept(std::string_view json, std::uint64_t binary_bytes) {
  request_ = parse_infer_request(json);
  find_regions(request_, service_.shared_memory);
  const ServedModel::Fit fit = queue_->model().fit(request_);
  std::uint64_t sum = 0;  // each is at most what the model takes
  for (const RequestedInput& input : request_.inputs)
    if (input.binary()) sum += static_cast<std::uint64_t>(input.binary_bytes);
  if (sum != binary_bytes)
    fail_with(400, "the binary tensors are {} bytes by their sizes, and {} by the lengths of the request", sum,
              binary_bytes);
  slot_ = &take_slot(service_.scheduler, *queue_, fit, request_, started_at_, *this);
  put_elements(request_, fit, *slot_);
  expect_tensors(fit);
}

/// Where the binary tensors belong, in the order of the body.
void HttpSession::expect_tensors(const ServedModel::Fit& fit) {
  targets_.assign(request_.inputs.size(), {});
  target_ = 0;
  for (std::size_t k = 0; k < fit.inputs.size(); ++k) {
    RequestedInput& input = request_.inputs[fit.inputs[k].source];
    if (!input.binary()) continue;
    std::span<std::byte>& target = targets_[fit.inputs[k].source];
    target = input.dtype == DType::string ? make_place(input, static_cast<std::uint64_t>(input.binary_bytes))
                                          : slot_->input(k);
  }
  std::erase_if(targets_, [](std::span<std::byte> target) { return target.empty(); });
}

void HttpSession::submit() {
  point_to_strings(request_, queue_->model(), *slot_);
  state_ = State::result;
  want_ = Want::result;
  deadline_ = Clock::time_point::max();
  service_.scheduler.submit(*slot_);
}

void HttpSession::completed(Slot& /*slot*/) noexcept { wake_(user_); }

void HttpSession::finish() {
  if (task_runs_) return finish_task();
  if (stream_ != nullptr) return finish_stream();
  if (gone_) {
    give_slot_back();
    want_ = Want::close;
    return;
  }
  try {
    require_outputs(*slot_);
    json_.clear();
    binary_.clear();
    outputs_ = answered_outputs(queue_->model(), request_, *slot_);
    write_infer_answer(queue_->model(), request_, *slot_, outputs_, slot_->ready_at - started_at_, json_, binary_);
    has_outputs_ = true;
    send_answer(200, binary_.empty() ? "application/json" : "application/octet-stream", "");
  } catch (const RequestError& e) {
    refuse(e.status(), e.fact(), e.status() == 504 ? Reason::timed_out : Reason::failed);
  } catch (const std::exception&) {
    fail_here();
  }
  advance();
}

void HttpSession::refuse(int status, std::string_view text, Reason reason) {
  give_slot_back();
  if (queue_ != nullptr) queue_->metrics().refuse(reason, Clock::now() - started_at_);
  binary_.clear();
  json_ = error_json(text);
  // A client may come again when about a batch has been worked off.
  send_answer(status, "application/json",
              status == 429 || status == 503 ? "Retry-After: 1\r\n"
              : status == 401                ? "WWW-Authenticate: Bearer\r\n"
                                             : "");
}

void HttpSession::give_slot_back() {
  if (slot_ == nullptr) return;
  if (!service_.scheduler.cancel(*slot_)) service_.scheduler.release(*slot_);
  slot_ = nullptr;
}

/// The head, then json_ and binary_.
void HttpSession::send_answer(int status, std::string_view type, std::string_view extra) {
  // What is left of a body is read and forgotten, or the connection ends.
  close_ = close_ || end_soon_ || service_.draining || !(reader_.head_done() && reader_.head().keep_alive) ||
           chunks_left_ || body_left_ > kMostDiscarded;
  std::uint64_t bytes = json_.size();
  for (const auto piece : binary_) bytes += piece.size();
  out_.clear();
  fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", status,
                 reason_phrase(status), type, bytes);
  if (!binary_.empty())
    fmt::format_to(std::back_inserter(out_), "Inference-Header-Content-Length: {}\r\n", json_.size());
  out_ += extra;
  if (close_) out_ += "Connection: close\r\n";
  out_ += "\r\n";
  out_ += json_;
  pieces_.assign(1, std::as_bytes(std::span(out_)));
  for (const auto piece : binary_)
    if (!piece.empty()) pieces_.push_back(piece);
  piece_ = 0;
  state_ = State::answer;
  want_ = Want::send;
  answer_status_ = status;
  answer_bytes_ = bytes;
  allow(service_.limits.transfer_time, bytes);
  service_.metrics.answers[static_cast<std::size_t>(status / 100)].fetch_add(1, std::memory_order_relaxed);
}

void HttpSession::sent(std::size_t bytes) {
  while (bytes > 0) {
    std::span<const std::byte>& piece = pieces_[piece_];
    const std::size_t n = std::min(bytes, piece.size());
    piece = piece.subspan(n);
    bytes -= n;
    if (piece.empty()) ++piece_;
  }
  if (piece_ < pieces_.size()) return;
  pieces_.clear();
  piece_ = 0;
  want_ = Want::bytes;
  if (state_ == State::piece && !stream_ended_) {
    if (await_stream()) next_piece();
    return;
  }
  if (state_ == State::piece) stream_ = nullptr;
  if (state_ == State::answer || state_ == State::piece) answered();
  advance();
}

/// Of the request at hand, which is answered or will not be.
void HttpSession::report(int status) {
  if (std::exchange(recorded_, true)) return;
  const HttpHead& head = reader_.head();
  RequestRecord record{.method = head.method,
                       .target = std::string_view(head.target).substr(0, head.target.find('?')),
                       .client = client_,
                       .status = status,
                       .computes = route_.what == Route::What::infer || route_.what == Route::What::task,
                       .bytes_in = head.content_length.value_or(chunks_.size()),
                       .bytes_out = answer_bytes_,
                       .started = started_at_,
                       .traceparent = head.traceparent};
  if (queue_ != nullptr) {
    record.model = queue_->model().name();
    record.version = queue_->model().version();
    record.id = request_.id;
  }
  if (slot_ != nullptr && has_outputs_) record.take_times(*slot_);
  service_.observer.report(record);
}

void HttpSession::answered() {
  report(answer_status_);
  if (has_outputs_) {
    has_outputs_ = false;
    count_answer(queue_->metrics(), *slot_, started_at_);
    service_.scheduler.release(*slot_);
    slot_ = nullptr;
  }
  binary_.clear();
  if (close_) {
    want_ = Want::close;
  } else if (body_left_ > 0) {
    state_ = State::discard;
    allow(service_.limits.transfer_time, body_left_);
  } else {
    next_message();
  }
}

void HttpSession::next_message() {
  reader_.reset(service_.limits.max_body);
  state_ = State::head;
  begun_ = false;
  queue_ = nullptr;
  if (chunks_.capacity() > kKeptBuffer) std::string().swap(chunks_);
  allow(service_.limits.idle_time);
}

bool HttpSession::disconnect() {
  report(499);
  if (task_runs_) {
    gone_ = true;
    return false;
  }
  if (stream_ != nullptr) {
    gone_ = !stream_->leave() && want_ == Want::result;
    if (!gone_) stream_ = nullptr;
    return !gone_;
  }
  if (slot_ == nullptr) return true;
  if (state_ == State::result) {
    if (!service_.scheduler.cancel(*slot_)) {
      gone_ = true;
      return false;
    }
    slot_ = nullptr;
    queue_->metrics().refuse(Reason::cancelled, Clock::now() - started_at_);
    return true;
  }
  if (state_ == State::tensors) queue_->metrics().refuse(Reason::cancelled, Clock::now() - started_at_);
  give_slot_back();
  return true;
}

}  // namespace monza::serve

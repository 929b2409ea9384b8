// One connection's conversation: bytes in, bytes out. Knows no sockets and no clock but the steady one, so that tests
// and fuzzers can drive it.
//
// Requests are answered in the order in which they come, one at a time: what a client sends ahead (pipelining) waits in
// the buffer, or in the kernel's. Bytes of binary tensors are received into the batch that the request will run in.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "serve/batch.h"
#include "serve/http_reader.h"
#include "serve/infer_answer.h"
#include "serve/infer_request.h"
#include "serve/service.h"

namespace monza::serve {

class HttpSession final : public Completion {
 public:
  /// What the session can do next.
  enum class Want : std::uint8_t {
    bytes,   ///< receive into receive_space(), then received()
    result,  ///< nothing until wake() has been called for it, then finish()
    send,    ///< send output(), then sent()
    close    ///< nothing more: what the client still sends is of no interest
  };
  /// What a port is for.
  enum class Purpose : std::uint8_t { inference, metrics, admin };
  /// Called when a session that wants its result has it: on any thread.
  using Wake = void (*)(void* user) noexcept;

  HttpSession(Service& service, Purpose purpose, Wake wake, void* user);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  Want want() const { return want_; }
  /// Where received bytes belong, in this order: at least one byte.
  std::span<const std::span<std::byte>> receive_space();
  void received(std::size_t bytes);
  std::span<const std::span<const std::byte>> output() const {
    return {pieces_.data() + piece_, pieces_.size() - piece_};
  }
  void sent(std::size_t bytes);
  /// Answers the inference that is done.
  void finish();

  /// The client is gone. False when a result is still to come: the session must live until wake(), and finish() then.
  bool disconnect();
  /// The client's address, for records.
  void set_client(std::string address) { client_ = std::move(address); }
  /// Close after the answer to the request at hand.
  void end_soon() { end_soon_ = true; }
  /// Nothing of a request has come, and no answer is to be sent.
  bool between_requests() const { return state_ == State::head && begin_ == end_ && !begun_; }
  /// Since when: the end of the last answer, or the beginning.
  Clock::time_point idle_since() const { return deadline_ - service_.limits.idle_time; }
  /// When the client has taken too long.
  Clock::time_point deadline() const { return deadline_; }

  void completed(Slot& slot) noexcept override;

 private:
  enum class State : std::uint8_t {
    head,     ///< between requests, or in a head
    chunks,   ///< a body in chunks
    json,     ///< JSON of a known length: all of a body, or what stands before tensors
    tensors,  ///< binary tensors
    discard,  ///< a body that nobody reads
    result,
    answer,
    piece  ///< of an answer that is made while it is sent
  };

  void advance();
  bool step();
  bool read_head();
  void begin_body();
  bool read_chunks();
  bool read_json();
  bool read_tensors();
  bool discard();
  void answer_now(std::string_view body);
  void change_models(std::string_view body);
  void use_json(std::string_view json, std::uint64_t binary_bytes);
  void start_task(std::string_view body);
  void finish_task();
  bool await_stream();
  void finish_stream();
  void begin_pieces();
  void next_piece();
  std::uint64_t most_body() const;
  void accept(std::string_view json, std::uint64_t binary_bytes);
  void expect_tensors(const ServedModel::Fit& fit);
  void submit();
  void refuse(int status, std::string_view text, Reason reason);
  void fail_here();
  void send_answer(int status, std::string_view type, std::string_view extra);
  void answered();
  void next_message();
  void give_slot_back();
  void report(int status);
  std::string_view buffered() const { return {reinterpret_cast<const char*>(buffer_.data()) + begin_, end_ - begin_}; }
  void allow(std::chrono::milliseconds time, std::uint64_t bytes = 0);
  void consume(std::size_t bytes);
  void make_room();

  Service& service_;
  const Purpose purpose_;
  std::string client_;
  const Wake wake_;
  void* const user_;
  HttpReader reader_;
  State state_ = State::head;
  Want want_ = Want::bytes;
  bool begun_ = false;     ///< the parser has a part of a head
  bool end_soon_ = false;  ///< the next answer is the last
  bool close_ = false;     ///< the answer at hand is the last
  bool gone_ = false;      ///< the client is
  Clock::time_point deadline_;

  std::vector<std::byte> buffer_;  ///< what was received and not used: [begin_, end_)
  std::size_t begin_ = 0, end_ = 0;
  std::string chunks_;           ///< the content of a body in chunks
  bool chunks_left_ = false;     ///< a body in chunks has not ended
  std::uint64_t body_left_ = 0;  ///< of a body with a length: bytes that have not been used
  std::size_t json_bytes_ = 0;   ///< of the body's JSON
  std::vector<std::span<std::byte>> space_;

  Route route_;
  std::shared_ptr<ModelQueue> queue_;  ///< of the inference at hand
  InferRequest request_;
  Slot* slot_ = nullptr;
  std::vector<std::span<std::byte>> targets_;  ///< what is left of the binary tensors, in the order of the body
  std::size_t target_ = 0;
  Clock::time_point started_at_;  ///< the head was complete
  bool recorded_ = true;          ///< nothing is to be told of the request at hand, or it was
  int answer_status_ = 0;
  std::uint64_t answer_bytes_ = 0;

  bool task_runs_ =
      false;  ///< the task, or change of models, at hand is on its thread, which alone touches task_answer_
  Answer task_answer_;
  std::shared_ptr<Stream> stream_;  ///< of the answer at hand
  bool stream_ended_ = false;

  std::string out_, json_;
  std::vector<std::span<const std::byte>> pieces_, binary_;
  std::size_t piece_ = 0;
  std::vector<AnsweredOutput> outputs_;  ///< of the answer at hand
  bool has_outputs_ = false;             ///< the answer at hand is an inference's
};

}  // namespace monza::serve

// One ModelInfer: from its message to the answer's. Knows no sockets.
#pragma once

#include <mutex>
#include <string>

#include "serve/batch.h"
#include "serve/grpc/messages.h"
#include "serve/request_record.h"
#include "serve/service.h"

namespace monza::serve {

class RpcInference final : public Completion {
 public:
  /// Called once when result() is there: on any thread, from within begin() or cancel(), too.
  using Done = void (*)(void* user, RpcInference& inference) noexcept;
  RpcInference(Service& service, Done done, void* user) : service_(service), done_(done), user_(user) {}

  struct Result {
    int status = 200;  ///< else an error, as RequestError numbers them, of these words
    std::string words;
    std::string message;  ///< the ModelInferResponse
  };

  /// Takes the request's tensors to their places and submits it; refuses it if it cannot be. `message` is used until
  /// it returns.
  void begin(const Pieces& message, Clock::time_point deadline);
  /// It need not be computed any more.
  void cancel();
  Result& result() { return result_; }
  const std::string& id() const { return read_.request.id; }
  /// What is known here of the request, once result() is there; valid as long as this.
  RequestRecord record() const;

  void completed(Slot& slot) noexcept override;

 private:
  void submit(const Pieces& message, Clock::time_point deadline);
  void refuse(int status, std::string words, Reason reason);

  Service& service_;
  const Done done_;
  void* const user_;
  const Clock::time_point started_at_ = Clock::now();
  RpcInferRequest read_;
  std::shared_ptr<ModelQueue> queue_;
  std::mutex mutex_;      ///< guards slot_: who finishes and who cancels may meet
  Slot* slot_ = nullptr;  ///< from reserve() to release()
  Result result_;
  RequestRecord times_;  ///< of its run
};

}  // namespace monza::serve

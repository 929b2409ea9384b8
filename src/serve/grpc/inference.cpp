#include "serve/grpc/inference.h"

#include <algorithm>
#include <new>

#include "serve/bytes_tensor.h"
#include "serve/request_error.h"
#include "serve/request_steps.h"

namespace monza::serve {

void RpcInference::begin(const Pieces& message, Clock::time_point deadline) {
  Scheduler& scheduler = service_.scheduler;  // once it is submitted, whoever is told may end this
  const auto give_up = [&](int status, std::string words, Reason reason) {
    if (slot_ != nullptr) (void)scheduler.cancel(*slot_);  // it was not submitted: nobody else knows of it
    slot_ = nullptr;
    refuse(status, std::move(words), reason);
  };
  try {
    submit(message, deadline);
  } catch (const RequestError& e) {
    return give_up(e.status(), e.fact(), refusal_reason(e.status()));
  } catch (const std::exception&) {
    return give_up(503, kNoMemory, Reason::failed);
  }
  scheduler.idle();  // which request is the last for now is not known here
}

void RpcInference::submit(const Pieces& message, Clock::time_point deadline) {
  read_ = read_infer_message(message);
  queue_ = service_.model(read_.model, read_.version);
  find_regions(read_.request, service_.shared_memory);
  const ServedModel::Fit fit = queue_->model().fit(read_.request);
  const std::lock_guard lock(mutex_);
  slot_ = &take_slot(service_.scheduler, *queue_, fit, read_.request, started_at_, *this, deadline);
  put_elements(read_.request, fit, *slot_);
  for (std::size_t k = 0; k < fit.inputs.size(); ++k) {
    const std::size_t source = fit.inputs[k].source;
    RequestedInput& input = read_.request.inputs[source];
    if (!input.binary()) continue;
    copy_from(message, read_.raw[source].at,
              input.dtype == DType::string ? make_place(input, static_cast<std::uint64_t>(input.binary_bytes))
                                           : slot_->input(k));
  }
  point_to_strings(read_.request, queue_->model(), *slot_);
  service_.scheduler.submit(*slot_);
}

void RpcInference::cancel() {
  {
    const std::lock_guard lock(mutex_);
    if (slot_ == nullptr || !service_.scheduler.cancel(*slot_)) return;  // its end is near, or was
    slot_ = nullptr;
  }
  refuse(499, "the request was cancelled", Reason::cancelled);
}

RequestRecord RpcInference::record() const {
  RequestRecord record = times_;
  record.protocol = "grpc";
  record.computes = queue_ != nullptr;
  record.started = started_at_;
  record.id = read_.request.id;
  record.bytes_out = result_.message.size();
  if (queue_ == nullptr) return record;
  record.model = queue_->model().name();
  record.version = queue_->model().version();
  return record;
}

void RpcInference::completed(Slot& slot) noexcept {
  int status = 200;
  try {
    require_outputs(slot);
    result_.message = infer_answer_message(queue_->model(), read_.request, slot, slot.ready_at - started_at_);
    count_answer(queue_->metrics(), slot, started_at_);
    times_.take_times(slot);
  } catch (const RequestError& e) {
    status = e.status();
    result_.words = e.fact();
  } catch (const std::bad_alloc&) {
    status = 503;
    result_.words = kNoMemory;
  }
  {
    const std::lock_guard lock(mutex_);
    slot_ = nullptr;
  }
  service_.scheduler.release(slot);
  if (status == 200) done_(user_, *this);
  else refuse(status, std::move(result_.words), status == 504 ? Reason::timed_out : Reason::failed);
}

void RpcInference::refuse(int status, std::string words, Reason reason) {
  if (queue_ != nullptr) queue_->metrics().refuse(reason, Clock::now() - started_at_);
  result_ = {status, std::move(words), {}};
  done_(user_, *this);
}

}  // namespace monza::serve

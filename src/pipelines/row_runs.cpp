#include "pipelines/row_runs.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "serve/request_steps.h"
#include "tensor/storage.h"

namespace monza::pipelines {
namespace {

using serve::Clock;
using serve::Slot;

/// Groups of one caller that are in the queue at a time.
constexpr std::size_t kAtOnce = 8;

/// The slots of one call. They are given back however it ends.
class Flights final : public serve::Completion {
 public:
  Flights(serve::Scheduler& scheduler, serve::ModelQueue& queue) : scheduler_(scheduler), queue_(queue) {}
  ~Flights() {
    for (Flight& flight : flights_) {
      if (flight.slot == nullptr || scheduler_.cancel(*flight.slot)) continue;
      wait(flight);
      scheduler_.release(*flight.slot);
    }
  }
  Flights(const Flights&) = delete;
  Flights& operator=(const Flights&) = delete;

  void start(RowGroup& group) {
    const serve::ServedModel::Fit fit = queue_.model().fit(group.request);
    const Clock::time_point now = Clock::now();
    Slot& slot = take_slot(scheduler_, queue_, fit, group.request, now, *this);
    flights_.push_back({&slot, now});
    group.fill(slot);
    scheduler_.submit(slot);
    scheduler_.idle();
  }

  void finish_oldest(const RowGroup& group) {
    Flight& flight = flights_[next_++];
    wait(flight);
    serve::require_outputs(*flight.slot);
    group.use(*flight.slot);
    serve::count_answer(queue_.metrics(), *flight.slot, flight.started);
    scheduler_.release(*flight.slot);
    flight.slot = nullptr;
  }

  void completed(Slot& slot) noexcept override {
    const std::lock_guard lock(mutex_);
    done_.push_back(&slot);
    news_.notify_all();
  }

 private:
  struct Flight {
    Slot* slot;
    Clock::time_point started;
  };
  void wait(const Flight& flight) {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [&] { return std::find(done_.begin(), done_.end(), flight.slot) != done_.end(); });
    std::erase(done_, flight.slot);
  }

  serve::Scheduler& scheduler_;
  serve::ModelQueue& queue_;
  std::vector<Flight> flights_;
  std::size_t next_ = 0;
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<Slot*> done_;
};

}  // namespace

serve::RequestedInput row_input(const serve::Port& port, std::int64_t rows, std::vector<std::int64_t> row) {
  serve::RequestedInput input;
  input.name = port.name;
  input.dtype = port.dtype;
  input.shape = Shape{rows};
  for (const std::int64_t extent : row) input.shape.dim[input.shape.rank++] = extent;
  input.binary_bytes = storage_bytes(port.dtype, input.shape);
  return input;
}

void run_groups(serve::Scheduler& scheduler, serve::ModelQueue& queue, std::vector<RowGroup>& groups) {
  Flights flights(scheduler, queue);
  for (std::size_t i = 0; i < groups.size() + kAtOnce; ++i) {
    if (i >= kAtOnce && i - kAtOnce < groups.size()) flights.finish_oldest(groups[i - kAtOnce]);
    if (i < groups.size()) flights.start(groups[i]);
  }
}

}  // namespace monza::pipelines

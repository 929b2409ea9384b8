// What both halves of the C API share: handles, the message of the last failure, and the wall that stops exceptions.
#pragma once

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "monza/engine.h"
#include "monza/monza.h"
#include "monza/sequence.h"

struct monza_engine {
  monza::Engine engine;
  std::map<std::string, std::string> metadata;  ///< a copy: its strings are handed out
};

struct monza_workers {
  monza::Workers workers;
};

struct monza_sequence_pool {
  monza::SequencePool pool;
};

struct monza_sequence {
  monza::Sequence sequence;
};

struct monza_host_memory {
  monza::Tensor bytes;
};

struct monza_context {
  struct Callback {
    void (*call)(void* user, monza_status status) = nullptr;
    void* user = nullptr;
  };
  /// A run's callback may still be to come when the next run is submitted, but not when the one after that is.
  Callback callbacks[2] = {};
  unsigned next_callback = 0;
  monza::Context context;
  std::vector<monza::TensorInfo> inputs, outputs;
  monza::Ticket ticket;
  bool submitted = false;
  std::vector<monza::StepProfile> profile;
  std::vector<monza_step_profile> steps;
};

namespace monza::c_api {

/// Keeps `message` as this thread's last error and returns `status`.
monza_status fail_with(monza_status status, std::string_view message) noexcept;
monza_status null_argument(const char* function, const char* argument) noexcept;

/// Runs what sets something up; exceptions become statuses.
template <typename F>
monza_status guarded(F&& body) noexcept {
  try {
    body();
    return MONZA_OK;
  } catch (const std::bad_alloc&) {
    return fail_with(MONZA_RESOURCE_EXHAUSTED, "out of memory");
  } catch (const Error& e) {
    return fail_with(MONZA_REFUSED, e.what());
  } catch (const std::exception& e) {
    return fail_with(MONZA_INTERNAL, e.what());
  } catch (...) {
    return fail_with(MONZA_INTERNAL, "an exception of an unknown type");
  }
}

/// The caller's options with what its (older) struct lacks set to 0. Throws Error for a size that cannot be.
template <typename T>
T options_of(const T* given, const char* name) {
  T options = {};
  if (given == nullptr) return options;
  if (given->struct_size < sizeof(std::size_t) || given->struct_size > 4096)
    throw Error(std::string(name) + ".struct_size is " + std::to_string(given->struct_size),
                "set it to sizeof(" + std::string(name) + ") before the call");
  std::memcpy(&options, given, given->struct_size < sizeof(T) ? given->struct_size : sizeof(T));
  // Fields of a newer header that are set ask for what this library cannot do.
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t i = sizeof(T); i < given->struct_size; ++i)
    if (bytes[i] != 0)
      throw Error(std::string(name) + " sets a field that this version of the library does not know",
                  "use the library that belongs to the header, or leave the new fields 0");
  return options;
}

monza_engine* make_handle(Engine engine);
/// The caller's limits, with the defaults where it says 0. Throws Error for one that is negative.
Limits limits_of(const monza_limits* given);

}  // namespace monza::c_api

// A model as clients see it: its name, its inputs and outputs, and whether requests share runs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monza/engine.h"
#include "serve/infer_request.h"
#include "tensor/shape.h"

namespace monza::serve {

/// An input or output.
struct Port {
  std::string name;
  DType dtype = DType::invalid;
  std::vector<std::int64_t> min, max;  ///< of each dimension; equal where it is fixed
  std::int64_t most_row_bytes = 0;     ///< of a row (of all of it, where rows are not batched) at the largest shape
};

/// The port's shape as clients are told it: -1 for what is open. `without_rows`: of one row.
std::vector<std::int64_t> declared_shape(const Port& port, bool without_rows);

/// Which requests may share a run.
struct BatchRule {
  std::int64_t rows = 0;  ///< most rows of a run; 0: what the rule below says of the engine's largest batch
  /// Rows are what the first dimension counts, if it is open and the same in all inputs and outputs. Without being
  /// asked for (rows > 0), only if the model calls it a batch: an open first dimension may as well be time.
  bool asked() const { return rows > 0; }
};

/// How a model's requests wait, where it says something else than the server.
struct QueuePolicy {
  int max_queue = 0;                               ///< 0: the server's
  std::optional<std::chrono::microseconds> delay;  ///< that a free engine waits for a batch to fill
  std::int64_t preferred_rows = 0;                 ///< so many are enough, and nothing is waited for; 0: a whole batch
  std::int64_t usual_priority = 8;                 ///< of requests that say none; 1 is run first
  std::int64_t timeout_us = 0;                     ///< of requests that say none; 0: none
};

/// Immutable but for what it is run with; shared by all threads.
class ServedModel {
 public:
  /// Throws Error when the interface cannot be served (lists, optional values, types without a name in KServe v2), or
  /// when `rule` asks for more than the engine can do.
  ServedModel(std::string name, Engine engine, const BatchRule& rule, std::int64_t version = 1,
              const QueuePolicy& policy = {});

  const std::string& name() const { return name_; }
  std::int64_t version() const { return version_; }
  const QueuePolicy& policy() const { return policy_; }
  const Engine& engine() const { return engine_; }
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }
  bool batches() const { return batches_; }
  /// Most rows of one run; 1 where requests do not share runs, and a request is one row whatever its shape.
  std::int64_t max_rows() const { return max_rows_; }
  const std::string& why_not_batched() const { return why_not_batched_; }

  /// What an accepted request asks for.
  struct Fit {
    struct Input {
      std::size_t source;      ///< its number in the request
      Shape row;               ///< where batched, of one row: its first extent is 1
      std::int64_t row_bytes;  ///< of that shape
      friend bool operator==(const Input& a, const Input& b) { return a.row == b.row; }
    };
    std::int64_t rows = 1;
    std::vector<Input> inputs;  ///< by the model's input
  };
  /// Checks names, types, shapes and sizes of the inputs and the names of the outputs. Throws RequestError.
  Fit fit(const InferRequest& request) const;
  /// The number of an output; throws RequestError.
  std::size_t output_index(std::string_view name) const;

  /// GET v2/models/NAME, of which these are the versions.
  std::string metadata_json(const std::vector<std::int64_t>& versions) const;
  std::string config_json() const;  ///< GET v2/models/NAME/config

 private:
  void decide_batches(const BatchRule& rule);
  /// Why rows of several requests may not go into one run; empty when they may.
  std::string obstacle(bool asked) const;

  std::string name_;
  std::int64_t version_;
  QueuePolicy policy_;
  Engine engine_;
  std::vector<Port> inputs_, outputs_;
  std::int64_t max_rows_ = 1;
  bool batches_ = false;
  std::string why_not_batched_;
};

/// Whether a dimension of this name counts the rows of a batch: "batch", "batch_size", "N", ...
bool names_a_batch(std::string_view dimension);

}  // namespace monza::serve

// What a plan of quantisation makes of a graph, decided before anything is changed: the pass that places Q/DQ and the
// export of ONNX write the same.
#pragma once

#include <memory>
#include <vector>

#include "ir/graph.h"
#include "monza/quantization.h"
#include "quant/quantizer.h"
#include "quant/sites.h"

namespace monza::quant {

/// A value that goes through Q/DQ on its way to some of its readers.
struct PlacedValue {
  ir::ValueId value = ir::kNone;
  Affine affine;
  std::vector<Use> readers;  ///< at least one, in execution order
};

/// The constant weight of a product, in integers.
struct PlacedWeight {
  ir::NodeId product = ir::kNone;
  int axis = 0;                              ///< of its channels
  QuantizedWeight weight;                    ///< null parts when an element is not finite: it stays as it is
  std::shared_ptr<const ir::Constant> bias;  ///< a convolution's, corrected for what rounding moves; null: as it is
  QuantizedBias integer_bias;                ///< in place of it; null parts: it stays in floats, or there is none
};

struct Placement {
  std::vector<PlacedValue> values;
  std::vector<PlacedWeight> weights;
  std::vector<KeptProduct> kept;
};

/// The graph is one that stands where place_pass does: its products have bias and activation.
Placement decide_placement(const ir::Graph& graph, const QuantizationPlan& plan);

}  // namespace monza::quant

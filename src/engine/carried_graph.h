// The graph inside an engine file: complete, and without a second copy of the weights.
//
// A constant of the text says where its elements are:
//   stored {weights=4096, bytes=1728, sum="9c..."}                       as they are, in the weights
//   stored {..., layout=0, stride=[27, 1, 9, 3]}                         rearranged
//   stored {..., format="conv_panels_16", input=1, params="0100..."}     packed: PackedFormat::unpack is the inverse
//   stored {data=0, bytes=1728, sum="9c..."}                             in graph_data: no kernel kept all its bits
#pragma once

#include <memory>
#include <string>

#include "base/large_bytes.h"
#include "engine/file/image.h"
#include "ir/graph.h"
#include "plan/weights.h"

namespace monza {

struct CarriedGraph {
  std::string text;
  LargeBytes data;
};

/// `weights` holds what the plans made of the graph's constants. The result is the same for the same plans. What only
/// the text refers to goes to `spool`; null: it is kept in memory.
CarriedGraph carry_graph(const ir::Graph& graph, const plan::WeightStore& weights,
                         std::shared_ptr<SpoolFile> spool = nullptr);

/// The graph of an image, with its constants borrowed from the image where they lie as they are. The image's plans are
/// not read. Throws Error when the text or a constant is damaged, or packed in a way that this build does not know.
std::unique_ptr<ir::Graph> read_carried_graph(const engine_file::Image& image, const Limits& limits = {});

}  // namespace monza

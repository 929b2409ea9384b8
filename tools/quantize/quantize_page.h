// The page of `monza quantize --report`.
#pragma once

#include <string>

#include "tools/quantize/quantizing.h"

namespace monza::tool {

/// A whole HTML document: what was reached, accuracy against latency of all that was tried, the nodes that stay in
/// floats, what each node costs, and every range with what it cuts off. It fetches nothing and runs no script; all text
/// from the model is escaped.
std::string quantize_page(const std::string& model_file, const QuantizeResult& result);

}  // namespace monza::tool

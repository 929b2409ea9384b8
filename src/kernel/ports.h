// Which layouts a port admits: the one answer that the planner, the check of a step and the tests of kernels go by.
#pragma once

#include "kernel/kernel.h"

namespace monza {

/// The layout that a port asks for, strided where it takes several.
constexpr Layout layout_of(Port port) {
  switch (port) {
    case Port::blocked8: return Layout::blocked8;
    case Port::blocked16: return Layout::blocked16;
    case Port::packed: return Layout::packed;
    default: return Layout::strided;
  }
}

/// Whether an operand of that layout may be given to the port; its strides decide further. A uniform operand in blocks
/// has whole ones alone (its kernel would compute on padding).
constexpr bool admits(Port port, Layout layout) {
  return layout == layout_of(port) || (port == Port::uniform && layout != Layout::packed);
}

/// Channels of a block; 1 for layouts without blocks.
constexpr std::int64_t block_of(Layout layout) {
  return layout == Layout::blocked8 ? 8 : layout == Layout::blocked16 ? 16 : 1;
}

}  // namespace monza

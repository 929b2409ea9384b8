// Steps that have nothing to compute. Fast kernels cut what there is into parts and divide by extents, so they are not
// asked to cut nothing: the planner gives such nodes to reference kernels, and a run leaves such steps out.
#pragma once

namespace monza {

/// Whether there are outputs and none of them has an element; Operand is OperandDesc or TensorView.
template <typename Operand>
bool gives_nothing(const Operand* out, int count) noexcept {
  bool any = false;
  for (int i = 0; i < count; ++i) {
    if (!out[i].present()) continue;
    if (out[i].shape.numel() != 0) return false;
    any = true;
  }
  return any;
}

}  // namespace monza

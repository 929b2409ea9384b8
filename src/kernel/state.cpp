#include "kernel/state.h"

#include "base/checked.h"
#include "base/error.h"
#include "tensor/dtype.h"

namespace monza {

bool is_state_encoding(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::i8;
}

StateFormat make_state_format(DType dtype, const Shape& position) {
  constexpr const char* kWhat = "a position of a sequence's state";
  if (!is_state_encoding(dtype)) fail("the state of a sequence holds f32, f16, bf16 or i8, not {}", dtype_name(dtype));
  StateFormat format{.dtype = dtype, .vectors = 1, .width = 1};
  for (int a = 0; a + 1 < position.rank; ++a) format.vectors = checked_mul(format.vectors, position.dim[a], kWhat);
  if (position.rank > 0) format.width = position.dim[position.rank - 1];
  format.vector_bytes = checked_mul(format.width, dtype_bits(dtype) / 8, kWhat);
  if (dtype == DType::i8) format.vector_bytes = checked_add(checked_round_up(format.vector_bytes, 4, kWhat), 4, kWhat);
  format.position_bytes = checked_mul(format.vectors, format.vector_bytes, kWhat);
  return format;
}

}  // namespace monza

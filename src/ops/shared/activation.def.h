// The activation attributes that Conv, MatMul and ConvTranspose share: activation, act_alpha, act_beta.
#pragma once

#include <string_view>

#include "ir/attrs.h"
#include "ops/shared/activation.params.h"

namespace monza::ops {

inline constexpr ir::AttrDef kActivationAttrs[] = {{"activation", "none"}, {"act_alpha", 0.0}, {"act_beta", 0.0}};
/// Of the products that add a residual: 1 where it is added behind the activation.
inline constexpr ir::AttrDef kResidualAttrs[] = {{"residual_after", 0}};

/// The kind of that name ("relu", "gelu_erf", ...); Error on an unknown one.
ActivationKind parse_activation(std::string_view name);
/// The inverse of parse_activation.
std::string_view activation_name(ActivationKind kind);
/// Reads the three attributes; absent ones mean no activation. Error on an unknown name.
Activation activation_of(const ir::AttrReader& attrs);
/// Sets the three attributes (alpha and beta only where the kind reads them).
void set_activation(ir::Attrs& attrs, const Activation& act);

}  // namespace monza::ops

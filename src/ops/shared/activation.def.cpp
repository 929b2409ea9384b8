#include "ops/shared/activation.def.h"

#include <iterator>

#include "base/error.h"

namespace monza::ops {
namespace {

constexpr std::string_view kNames[] = {"none",     "relu",      "clip",         "silu",       "hardswish",
                                       "gelu_erf", "gelu_tanh", "sigmoid",      "leaky_relu", "prelu",
                                       "tanh",     "elu",       "hard_sigmoid", "softplus",   "mish"};

bool reads_alpha(ActivationKind kind) {
  return kind == ActivationKind::clip || kind == ActivationKind::leaky_relu || kind == ActivationKind::elu ||
         kind == ActivationKind::hard_sigmoid;
}
bool reads_beta(ActivationKind kind) { return kind == ActivationKind::clip || kind == ActivationKind::hard_sigmoid; }

}  // namespace

ActivationKind parse_activation(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name) return static_cast<ActivationKind>(i);
  fail("activation \"{}\" is not known", name);
}

std::string_view activation_name(ActivationKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

Activation activation_of(const ir::AttrReader& attrs) {
  Activation act;
  act.kind = parse_activation(attrs.s("activation"));
  if (reads_alpha(act.kind)) act.alpha = static_cast<float>(attrs.f("act_alpha"));
  if (reads_beta(act.kind)) act.beta = static_cast<float>(attrs.f("act_beta"));
  // Of bounds that cross the upper one is the result everywhere; integer kernels turn each into a bound of its own.
  if (act.kind == ActivationKind::clip && act.alpha > act.beta) act.alpha = act.beta;
  return act;
}

void set_activation(ir::Attrs& attrs, const Activation& act) {
  for (const char* name : {"activation", "act_alpha", "act_beta"}) attrs.erase(name);
  if (act.kind == ActivationKind::none) return;
  attrs.set("activation", std::string(activation_name(act.kind)));
  if (reads_alpha(act.kind)) attrs.set("act_alpha", static_cast<double>(act.alpha));
  if (reads_beta(act.kind)) attrs.set("act_beta", static_cast<double>(act.beta));
}

}  // namespace monza::ops

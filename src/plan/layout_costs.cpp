#include "plan/layout_costs.h"

#include <set>

#include "kernel/ports.h"
#include "plan/tactics.h"
#include "tensor/storage.h"

namespace monza::plan {

Port wanted(Port port, Port own) {
  if (port == Port::uniform) return own;
  return port == Port::channels_last || is_blocked(port) ? port : Port::dense;
}

const ir::SymShape& LayoutCosts::shape(ir::ValueId value) const {
  static const ir::SymShape kScalar;
  const ir::Type& type = facts_.graph().value(value).type;
  return stored_type(type).dtype == DType::handle ? kScalar : type.shape;
}

bool LayoutCosts::takes(const Label& label, std::size_t input, const Spot& spot, const ir::SymShape& of) const {
  if (spot.device != label.device) return false;
  const Port port = label.kernel->in[static_cast<int>(input)];
  if (port != Port::uniform) return satisfies(port, spot.place, of);
  return is_gap_free(spot.place, of) && same_form(spot.place, form_place(label.form, of), of);
}

bool LayoutCosts::keeps_order(const ir::Node& node, const Label& label, std::size_t input) const {
  return label.kernel->out[0] == Port::strided && label.kernel->in[static_cast<int>(input)] == Port::strided &&
         input < 32 && (label.kernel->in_place_inputs >> input & 1u) != 0 &&
         shape(node.inputs[input]) == shape(node.outputs[0]);
}

bool LayoutCosts::joins_blocks(const ir::Node& node, Port form) const {
  const std::int64_t block = block_of(layout_of(form));
  const auto& list = facts_.aliases(node);
  for (const ir::Alias& a : list)
    for (std::size_t k = 0; k < a.start.size(); ++k)
      if (const auto start = a.start[k].try_constant();
          !start || *start % (k == 1 ? block : 1) != 0 || (k != 1 && *start != 0))
        return false;
  return shape(node.inputs[0])[1].is_constant();
}

double LayoutCosts::conversion(ir::ValueId value, const Place& from, Port to, int device) const {
  const TypedShape type = facts_.type_of(value);
  // Between blocks of 8 and of 16 no kernel copies at speed: not worth the time to measure it.
  if (is_blocked(to) && from.layout != Layout::strided && form_of(from, type.shape) != to)
    return static_cast<double>(storage_bytes(type.dtype, b_.largest(type.shape))) / 100;
  const Kernel& copy = candidates_.copy_kernel(from.layout, form_place(to, type.shape).layout, type, device);
  return b_.scope.tactics->conversion_us(copy, b_.kind_of(device), type.dtype, b_.largest(type.shape),
                                         form_of(from, type.shape), to);
}

double LayoutCosts::transfer(ir::ValueId value, int from, int to) const {
  const TypedShape type = facts_.type_of(value);
  double us = 0;
  for (const int device : {from, to})
    if (device != 0)
      us += b_.scope.tactics->transfer_us(b_.kind_of(device), device == to, type.dtype, b_.largest(type.shape));
  return us;
}

double LayoutCosts::delivery(ir::ValueId value, const Spot& from, const std::vector<Target>& to) const {
  const ir::SymShape& of = shape(value);
  double us = 0;
  std::set<int> reached;
  for (const Target& t : to) {
    if (t.device == from.device) {
      us += conversion(value, from.place, t.form, t.device);
      continue;
    }
    // Copies are of dense elements.
    if (reached.empty() && !is_dense(from.place, of)) us += conversion(value, from.place, Port::dense, from.device);
    if (reached.insert(t.device).second) us += transfer(value, from.device, t.device);
    if (t.form != Port::dense) us += conversion(value, form_place(Port::dense, of), t.form, t.device);
  }
  return us;
}

double LayoutCosts::gather(const ir::Node& node, const Label& label, std::size_t input, const Place& from) const {
  if (!keeps_order(node, label, input)) return 0;
  const ir::SymShape& of = shape(node.inputs[input]);
  const Place own = form_place(label.form, of);
  const bool same = label.form == Port::channels_last ? is_channels_last(from, of) : same_form(from, own, of);
  return same ? 0 : conversion(node.inputs[input], from, label.form, label.device);
}

}  // namespace monza::plan

#include "plan/scalars.h"

#include "base/error.h"

namespace monza::plan {

Register ScalarCompiler::constant(std::int64_t value) {
  const auto [it, added] = constants_.try_emplace(value, Register(plan_.registers.size()));
  if (added) plan_.registers.push_back(value);
  return it->second;
}

Register ScalarCompiler::fresh() {
  plan_.registers.push_back(0);
  return Register(plan_.registers.size()) - 1;
}

Register ScalarCompiler::find(const ir::Expr& e) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto it = scope->find(e); it != scope->end()) return it->second;
  return kNoRegister;
}

Register ScalarCompiler::binary(ScalarOp op, Register a, Register b) {
  ScalarInstruction i;
  i.op = op;
  i.dst = fresh();
  i.a = a;
  i.b = b;
  emit(i);
  return i.dst;
}

Register ScalarCompiler::atom(const ir::Atom& a, const ir::Expr& as_expr) {
  using K = ir::AtomKind;
  ScalarOp op = ScalarOp::add;
  switch (a.kind) {
    case K::symbol: fail("dimension '{}' is used before any input defines it", a.name);
    case K::element:
    case K::extent: fail("{} is needed before it is computed", ir::to_string(as_expr));
    case K::floor_div: op = ScalarOp::floor_div; break;
    case K::ceil_div: op = ScalarOp::ceil_div; break;
    case K::mod: op = ScalarOp::mod; break;
    case K::min: op = ScalarOp::min; break;
    case K::max: op = ScalarOp::max; break;
  }
  Register r = compile(a.args[0]);
  for (std::size_t i = 1; i < a.args.size(); ++i) r = binary(op, r, compile(a.args[i]));
  return r;
}

Register ScalarCompiler::compile(const ir::Expr& e) {
  if (const auto c = e.try_constant()) return constant(*c);
  if (const Register r = find(e); r != kNoRegister) return r;
  const auto terms = e.terms();
  Register sum = kNoRegister;
  if (terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1) {
    sum = atom(*terms[0].atoms[0], e);
  } else {
    for (const ir::Expr::Term& t : terms) {
      Register product = kNoRegister;
      for (const auto& a : t.atoms) {
        const Register r = compile(ir::atom_expr(a));
        product = product == kNoRegister ? r : binary(ScalarOp::mul, product, r);
      }
      if (product == kNoRegister) {
        product = constant(t.coefficient);
      } else if (t.coefficient != 1) {
        product = binary(ScalarOp::mul, product, constant(t.coefficient));
      }
      sum = sum == kNoRegister ? product : binary(ScalarOp::add, sum, product);
    }
  }
  bind(e, sum);
  return sum;
}

Range ScalarCompiler::flush() {
  const Range range{static_cast<std::uint32_t>(plan_.program.size()), static_cast<std::uint32_t>(pending_.size())};
  plan_.program.insert(plan_.program.end(), pending_.begin(), pending_.end());
  pending_.clear();
  return range;
}

}  // namespace monza::plan

// Compiles symbolic integers to the plan's extent program.
#pragma once

#include <map>
#include <vector>

#include "ir/expr.h"
#include "plan/data/plan.h"

namespace monza::plan {

/// Emits instructions into a pending list that the next step (or the region's end) takes. Registers made inside a
/// child region are forgotten when it ends, because the region may not run.
class ScalarCompiler {
 public:
  explicit ScalarCompiler(PlanStorage& plan) : plan_(plan), scopes_(1) {}

  /// The register that will hold `e`; emits what is missing. Error when an atom is not available yet.
  Register compile(const ir::Expr& e);
  Register constant(std::int64_t value);
  Register fresh();
  /// Says where an atom's value is found from now on.
  void bind(const ir::Expr& atom, Register reg) { scopes_.back()[atom] = reg; }
  bool knows(const ir::Expr& e) const { return find(e) != kNoRegister; }
  void emit(const ScalarInstruction& instruction) { pending_.push_back(instruction); }
  /// Moves the pending instructions to the plan's program.
  Range flush();

  void push_scope() { scopes_.emplace_back(); }
  void pop_scope() { scopes_.pop_back(); }

 private:
  Register find(const ir::Expr& e) const;
  Register binary(ScalarOp op, Register a, Register b);
  Register atom(const ir::Atom& a, const ir::Expr& as_expr);

  PlanStorage& plan_;
  std::map<std::int64_t, Register> constants_;
  std::vector<std::map<ir::Expr, Register>> scopes_;
  std::vector<ScalarInstruction> pending_;
};

}  // namespace monza::plan

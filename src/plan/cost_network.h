// A sum of tables over variables of few values each, and the choice of values that makes it least.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace monza::plan {

/// Costs over choices: the layouts of a graph's nodes, where the table of an edge holds what a conversion costs.
///
/// Solved by eliminating one variable after another (non-serial dynamic programming: Bertele and Brioschi, 1972), each
/// time the one whose elimination makes the smallest table, which on a chain or a tree is plain dynamic programming
/// and on the graphs of real models, series of short branches, needs tables of a few variables. Where a table would
/// exceed a limit, variables are held at a value found by changing one at a time, so the result is then a local
/// minimum. Deterministic. Not thread-safe.
class CostNetwork {
 public:
  /// A cost that forbids: any sum of real costs is below it.
  static constexpr double kForbidden = 1e18;

  /// A variable of values 0 to `values` - 1; its number.
  int add_variable(int values);
  /// Adds cost(values of `variables`, in that order) to the sum. Variables are distinct.
  void add(const std::vector<int>& variables, const std::function<double(const std::vector<int>&)>& cost);

  /// The choice of least cost: a value for each variable. Of equal ones, lower values at lower variables.
  /// `largest_table` bounds the elements of a table made by eliminating.
  std::vector<int> minimise(std::size_t largest_table = static_cast<std::size_t>(1) << 16) const;
  double cost(const std::vector<int>& choice) const;
  /// What the tables that `variable` is in add under this choice.
  double cost_around(int variable, const std::vector<int>& choice) const;
  int variables() const { return static_cast<int>(values_.size()); }
  int values(int variable) const { return values_[static_cast<std::size_t>(variable)]; }

 private:
  class Elimination;
  struct Table {
    std::vector<int> variables;
    std::vector<double> cost;  ///< the last variable runs fastest
  };
  double look_up(const Table& table, const std::vector<int>& choice) const;
  /// Changes one variable after another to its best value until nothing gets better.
  void descend(std::vector<int>& choice) const;

  std::vector<int> values_;
  std::vector<Table> tables_;
  std::vector<std::vector<std::size_t>> tables_of_;  ///< by variable
};

}  // namespace monza::plan

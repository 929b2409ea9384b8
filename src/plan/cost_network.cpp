#include "plan/cost_network.h"

#include <algorithm>
#include <set>
#include <utility>

namespace monza::plan {

int CostNetwork::add_variable(int values) {
  values_.push_back(values);
  tables_of_.emplace_back();
  return static_cast<int>(values_.size()) - 1;
}

void CostNetwork::add(const std::vector<int>& variables, const std::function<double(const std::vector<int>&)>& cost) {
  Table table;
  table.variables = variables;
  std::size_t size = 1;
  for (const int v : variables) size *= static_cast<std::size_t>(values(v));
  table.cost.reserve(size);
  std::vector<int> at(variables.size(), 0);
  for (std::size_t i = 0; i < size; ++i) {
    table.cost.push_back(cost(at));
    for (std::size_t k = at.size(); k-- > 0;) {
      if (++at[k] < values(variables[k])) break;
      at[k] = 0;
    }
  }
  // What is the same for every choice ties no variables together.
  if (!variables.empty() && std::all_of(table.cost.begin(), table.cost.end(), [](double c) { return c == 0; })) return;
  for (const int v : variables) tables_of_[static_cast<std::size_t>(v)].push_back(tables_.size());
  tables_.push_back(std::move(table));
}

double CostNetwork::look_up(const Table& table, const std::vector<int>& choice) const {
  std::size_t at = 0;
  for (const int v : table.variables)
    at = at * static_cast<std::size_t>(values(v)) + static_cast<std::size_t>(choice[static_cast<std::size_t>(v)]);
  return table.cost[at];
}

double CostNetwork::cost(const std::vector<int>& choice) const {
  double sum = 0;
  for (const Table& t : tables_) sum += look_up(t, choice);
  return sum;
}

double CostNetwork::cost_around(int variable, const std::vector<int>& choice) const {
  double sum = 0;
  for (const std::size_t t : tables_of_[static_cast<std::size_t>(variable)]) sum += look_up(tables_[t], choice);
  return sum;
}

void CostNetwork::descend(std::vector<int>& choice) const {
  for (bool better = true; better;) {
    better = false;
    for (int v = 0; v < variables(); ++v) {
      const int before = choice[static_cast<std::size_t>(v)];
      int best = before;
      double least = cost_around(v, choice);
      for (int value = 0; value < values(v); ++value) {
        choice[static_cast<std::size_t>(v)] = value;
        // Sums in another order round differently: what is not clearly less is equal, so that this ends.
        if (const double c = cost_around(v, choice); c < least - 1e-9 * least) {
          least = c;
          best = value;
        }
      }
      choice[static_cast<std::size_t>(v)] = best;
      better |= best != before;
    }
  }
}

/// Takes one variable after another out of a copy of the network's tables.
class CostNetwork::Elimination {
 public:
  /// `choice` holds the values of variables that are held instead.
  Elimination(const CostNetwork& network, std::size_t largest_table, const std::vector<int>& choice)
      : network_(network),
        largest_table_(largest_table),
        tables_(network.tables_),
        tables_of_(network.tables_of_),
        gone_(choice.size(), false),
        sizes_(choice.size()),
        at_(choice) {
    for (int v = 0; v < static_cast<int>(choice.size()); ++v)
      waiting_.emplace(sizes_[static_cast<std::size_t>(v)] = table_size(v), v);
  }

  void run() {
    while (!waiting_.empty()) {
      const int next = waiting_.begin()->second;
      if (sizes_[static_cast<std::size_t>(next)] > largest_table_) hold(most_connected(next));
      else eliminate(next);
    }
  }

  /// Backwards: the variables that an eliminated one depended on have their values by then.
  void choose(std::vector<int>& found) const {
    for (auto e = order_.rbegin(); e != order_.rend(); ++e) {
      double least = 0;
      int best = 0;
      for (int value = 0; value < network_.values(e->variable); ++value) {
        found[static_cast<std::size_t>(e->variable)] = value;
        const double sum = sum_of(e->tables, found);
        if (value == 0 || sum < least) {
          least = sum;
          best = value;
        }
      }
      found[static_cast<std::size_t>(e->variable)] = best;
    }
  }

 private:
  struct Eliminated {
    int variable;
    std::vector<std::size_t> tables;  ///< those it was in
  };

  std::vector<int> neighbours(int v) const {
    std::set<int> found;
    for (const std::size_t t : tables_of_[static_cast<std::size_t>(v)])
      for (const int other : tables_[t].variables)
        if (other != v && !gone_[static_cast<std::size_t>(other)]) found.insert(other);
    return {found.begin(), found.end()};
  }
  std::size_t table_size(int v) const {
    std::size_t size = static_cast<std::size_t>(network_.values(v));
    for (const int other : neighbours(v))
      size = std::min(size * static_cast<std::size_t>(network_.values(other)), largest_table_ + 1);
    return size;
  }
  void resize(int v) {
    waiting_.erase({sizes_[static_cast<std::size_t>(v)], v});
    waiting_.emplace(sizes_[static_cast<std::size_t>(v)] = table_size(v), v);
  }
  double sum_of(const std::vector<std::size_t>& tables, const std::vector<int>& choice) const {
    double sum = 0;
    for (const std::size_t t : tables) sum += network_.look_up(tables_[t], choice);
    return sum;
  }

  int most_connected(int otherwise) const {
    std::size_t most = 0;
    for (int v = 0; v < static_cast<int>(gone_.size()); ++v)
      if (!gone_[static_cast<std::size_t>(v)])
        if (const std::size_t n = neighbours(v).size(); n > most) {
          most = n;
          otherwise = v;
        }
    return otherwise;
  }
  /// Keeps the variable at the value that it has.
  void hold(int v) {
    gone_[static_cast<std::size_t>(v)] = true;
    waiting_.erase({sizes_[static_cast<std::size_t>(v)], v});
    for (const int other : neighbours(v)) resize(other);
  }
  void eliminate(int v) {
    waiting_.erase(waiting_.begin());
    const std::vector<int> around = neighbours(v);
    gone_[static_cast<std::size_t>(v)] = true;
    order_.push_back({v, tables_of_[static_cast<std::size_t>(v)]});
    Table joined = join(v, around);
    // The joined table stands for those it was made of.
    for (const int other : around) {
      auto& list = tables_of_[static_cast<std::size_t>(other)];
      std::erase_if(list, [&](std::size_t t) {
        const auto& used = order_.back().tables;
        return std::find(used.begin(), used.end(), t) != used.end();
      });
      list.push_back(tables_.size());
    }
    tables_.push_back(std::move(joined));
    for (const int other : around) resize(other);
  }
  /// The least sum of the tables of the last one eliminated, over its values, for all values of those around it.
  Table join(int v, const std::vector<int>& around) {
    Table joined;
    joined.variables = around;
    std::size_t size = 1;
    for (const int other : around) size *= static_cast<std::size_t>(network_.values(other));
    joined.cost.assign(size, 0);
    for (const int other : around) at_[static_cast<std::size_t>(other)] = 0;
    for (std::size_t i = 0; i < size; ++i) {
      double least = 0;
      for (int value = 0; value < network_.values(v); ++value) {
        at_[static_cast<std::size_t>(v)] = value;
        const double sum = sum_of(order_.back().tables, at_);
        if (value == 0 || sum < least) least = sum;
      }
      joined.cost[i] = least;
      for (std::size_t k = around.size(); k-- > 0;) {
        if (++at_[static_cast<std::size_t>(around[k])] < network_.values(around[k])) break;
        at_[static_cast<std::size_t>(around[k])] = 0;
      }
    }
    return joined;
  }

  const CostNetwork& network_;
  const std::size_t largest_table_;
  std::vector<Table> tables_;  ///< over variables that are left
  std::vector<std::vector<std::size_t>> tables_of_;
  std::vector<bool> gone_;
  std::vector<std::size_t> sizes_;
  std::set<std::pair<std::size_t, int>> waiting_;  ///< by size
  std::vector<int> at_;                            ///< of held variables
  std::vector<Eliminated> order_;
};

std::vector<int> CostNetwork::minimise(std::size_t largest_table) const {
  std::vector<int> choice(static_cast<std::size_t>(variables()), 0);
  descend(choice);
  // Every elimination beside a variable looks at all its tables: one with thousands makes the whole too slow.
  constexpr std::size_t kMostTables = 2000;
  for (const auto& tables : tables_of_)
    if (tables.size() > kMostTables) return choice;
  Elimination elimination(*this, largest_table, choice);
  elimination.run();
  std::vector<int> found = choice;
  elimination.choose(found);
  descend(found);
  return cost(found) <= cost(choice) ? found : choice;
}

}  // namespace monza::plan

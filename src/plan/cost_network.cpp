#include "plan/cost_network.h"

#include <algorithm>
#include <set>
#include <utility>

namespace monza::plan {

int CostNetwork::add_variable(int values) {
  values_.push_back(values);
  tables_of_.emplace_back();
  return int(values_.size()) - 1;
}

void CostNetwork::add(const std::vector<int>& variables, const std::function<double(const std::vector<int>&)>& cost) {
  Table table;
  table.variables = variables;
  std::size_t size = 1;
  for (const int v : variables) size *= std::size_t(values(v));
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
  for (const int v : variables) tables_of_[std::size_t(v)].push_back(tables_.size());
  tables_.push_back(std::move(table));
}

double CostNetwork::look_up(const Table& table, const std::vector<int>& choice) const {
  std::size_t at = 0;
  for (const int v : table.variables) at = at * std::size_t(values(v)) + std::size_t(choice[std::size_t(v)]);
  return table.cost[at];
}

double CostNetwork::cost(const std::vector<int>& choice) const {
  double sum = 0;
  for (const Table& t : tables_) sum += look_up(t, choice);
  return sum;
}

double CostNetwork::cost_around(int variable, const std::vector<int>& choice) const {
  double sum = 0;
  for (const std::size_t t : tables_of_[std::size_t(variable)]) sum += look_up(tables_[t], choice);
  return sum;
}

void CostNetwork::descend(std::vector<int>& choice) const {
  for (bool better = true; better;) {
    better = false;
    for (int v = 0; v < variables(); ++v) {
      const int before = choice[std::size_t(v)];
      int best = before;
      double least = cost_around(v, choice);
      for (int value = 0; value < values(v); ++value) {
        choice[std::size_t(v)] = value;
        // Sums in another order round differently: what is not clearly less is equal, so that this ends.
        if (const double c = cost_around(v, choice); c < least - 1e-9 * least) {
          least = c;
          best = value;
        }
      }
      choice[std::size_t(v)] = best;
      better |= best != before;
    }
  }
}

std::vector<int> CostNetwork::minimise(std::size_t largest_table) const {
  const int count = variables();
  std::vector<int> choice(std::size_t(count), 0);
  descend(choice);
  // Every elimination beside a variable looks at all its tables: one with thousands makes the whole too slow.
  constexpr std::size_t kMostTables = 2000;
  for (const auto& tables : tables_of_)
    if (tables.size() > kMostTables) return choice;

  // Tables over variables that are left; those that go into an elimination are emptied.
  std::vector<Table> tables = tables_;
  std::vector<std::vector<std::size_t>> tables_of = tables_of_;
  std::vector<bool> gone(std::size_t(count), false);
  struct Eliminated {
    int variable;
    std::vector<std::size_t> tables;  ///< those it was in
  };
  std::vector<Eliminated> order;
  const auto neighbours = [&](int v) {
    std::set<int> found;
    for (const std::size_t t : tables_of[std::size_t(v)])
      for (const int other : tables[t].variables)
        if (other != v && !gone[std::size_t(other)]) found.insert(other);
    return std::vector<int>(found.begin(), found.end());
  };
  const auto table_size = [&](int v) {
    std::size_t size = std::size_t(values(v));
    for (const int other : neighbours(v)) size = std::min(size * std::size_t(values(other)), largest_table + 1);
    return size;
  };
  std::vector<std::size_t> sizes(static_cast<std::size_t>(count));
  std::set<std::pair<std::size_t, int>> waiting;  // by size
  for (int v = 0; v < count; ++v) waiting.emplace(sizes[std::size_t(v)] = table_size(v), v);
  const auto resize = [&](int v) {
    waiting.erase({sizes[std::size_t(v)], v});
    waiting.emplace(sizes[std::size_t(v)] = table_size(v), v);
  };
  std::vector<int> at = choice;  // of held variables
  while (!waiting.empty()) {
    int next = waiting.begin()->second;
    if (sizes[std::size_t(next)] > largest_table) {
      // Hold the variable that touches most others at what it has.
      std::size_t most = 0;
      for (int v = 0; v < count; ++v)
        if (!gone[std::size_t(v)])
          if (const std::size_t n = neighbours(v).size(); n > most) {
            most = n;
            next = v;
          }
      gone[std::size_t(next)] = true;
      waiting.erase({sizes[std::size_t(next)], next});
      for (const int other : neighbours(next)) resize(other);
      continue;
    }
    waiting.erase(waiting.begin());
    const std::vector<int> around = neighbours(next);
    gone[std::size_t(next)] = true;
    order.push_back({next, tables_of[std::size_t(next)]});
    Table joined;
    joined.variables = around;
    std::size_t size = 1;
    for (const int v : around) size *= std::size_t(values(v));
    joined.cost.assign(size, 0);
    for (const int v : around) at[std::size_t(v)] = 0;
    for (std::size_t i = 0; i < size; ++i) {
      double least = 0;
      for (int value = 0; value < values(next); ++value) {
        at[std::size_t(next)] = value;
        double sum = 0;
        for (const std::size_t t : order.back().tables) sum += look_up(tables[t], at);
        if (value == 0 || sum < least) least = sum;
      }
      joined.cost[i] = least;
      for (std::size_t k = around.size(); k-- > 0;) {
        if (++at[std::size_t(around[k])] < values(around[k])) break;
        at[std::size_t(around[k])] = 0;
      }
    }
    // The joined table stands for those it was made of.
    for (const int v : around) {
      auto& list = tables_of[std::size_t(v)];
      std::erase_if(list, [&](std::size_t t) {
        const auto& used = order.back().tables;
        return std::find(used.begin(), used.end(), t) != used.end();
      });
      list.push_back(tables.size());
    }
    tables.push_back(std::move(joined));
    for (const int v : around) resize(v);
  }
  // Backwards: the variables that an eliminated one depended on have their values by now.
  std::vector<int> found = choice;
  for (auto e = order.rbegin(); e != order.rend(); ++e) {
    double least = 0;
    int best = 0;
    for (int value = 0; value < values(e->variable); ++value) {
      found[std::size_t(e->variable)] = value;
      double sum = 0;
      for (const std::size_t t : e->tables) sum += look_up(tables[t], found);
      if (value == 0 || sum < least) {
        least = sum;
        best = value;
      }
    }
    found[std::size_t(e->variable)] = best;
  }
  descend(found);
  return cost(found) <= cost(choice) ? found : choice;
}

}  // namespace monza::plan

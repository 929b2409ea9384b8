#include "plan/cost_network.h"

#include <random>

#include <gtest/gtest.h>

namespace monza::plan {
namespace {

/// The least cost over all choices, one by one.
double least_of_all(const CostNetwork& network) {
  std::vector<int> choice(static_cast<std::size_t>(network.variables()), 0);
  double least = network.cost(choice);
  for (;;) {
    std::size_t k = 0;
    for (; k < choice.size(); ++k) {
      if (++choice[k] < network.values(static_cast<int>(k))) break;
      choice[k] = 0;
    }
    if (k == choice.size()) return least;
    least = std::min(least, network.cost(choice));
  }
}

CostNetwork random_network(std::mt19937& random) {
  CostNetwork network;
  const int count = 1 + static_cast<int>(random() % 8);
  for (int v = 0; v < count; ++v) network.add_variable(1 + static_cast<int>(random() % 3));
  const int tables = static_cast<int>(random() % 14);
  for (int t = 0; t < tables; ++t) {
    std::vector<int> variables(static_cast<std::size_t>(count));
    for (int v = 0; v < count; ++v) variables[static_cast<std::size_t>(v)] = v;
    std::shuffle(variables.begin(), variables.end(), random);
    variables.resize(std::min<std::size_t>(static_cast<std::size_t>(count), random() % 4));
    network.add(variables, [&](const std::vector<int>&) { return static_cast<double>(random() % 100); });
  }
  return network;
}

TEST(CostNetwork, FindsTheLeastOfRandomNetworks) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    const CostNetwork network = random_network(random);
    EXPECT_DOUBLE_EQ(network.cost(network.minimise()), least_of_all(network)) << "round " << round;
  }
}

TEST(CostNetwork, SmallTablesGiveALocalMinimum) {
  std::mt19937 random(12);
  for (int round = 0; round < 200; ++round) {
    const CostNetwork network = random_network(random);
    std::vector<int> choice = network.minimise(4);
    const double cost = network.cost(choice);
    EXPECT_GE(cost, least_of_all(network));
    for (int v = 0; v < network.variables(); ++v)
      for (int value = 0; value < network.values(v); ++value) {
        std::vector<int> other = choice;
        other[static_cast<std::size_t>(v)] = value;
        EXPECT_GE(network.cost(other), cost - 1e-6) << "round " << round;
      }
  }
}

TEST(CostNetwork, CrossesWhatOneChangeAtATimeDoesNot) {
  // A chain that is cheaper at 1 everywhere, but a change from 0 to 1 between neighbours costs more than one node
  // gains.
  CostNetwork network;
  for (int v = 0; v < 50; ++v) {
    network.add_variable(2);
    network.add({v}, [](const std::vector<int>& c) { return c[0] == 0 ? 10.0 : 9.0; });
    if (v > 0) network.add({v - 1, v}, [](const std::vector<int>& c) { return c[0] == c[1] ? 0.0 : 20.0; });
  }
  network.add({0}, [](const std::vector<int>& c) { return c[0] == 0 ? 0.0 : 5.0; });
  EXPECT_EQ(network.minimise(), std::vector<int>(50, 1));
}

TEST(CostNetwork, AvoidsWhatIsForbidden) {
  CostNetwork network;
  network.add_variable(3);
  network.add_variable(3);
  network.add({0, 1},
              [](const std::vector<int>& c) { return c[0] == 2 && c[1] == 1 ? 1000.0 : CostNetwork::kForbidden; });
  EXPECT_EQ(network.minimise(), (std::vector<int>{2, 1}));
  EXPECT_TRUE(CostNetwork().minimise().empty());
}

}  // namespace
}  // namespace monza::plan

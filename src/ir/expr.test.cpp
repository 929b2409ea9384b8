#include "ir/expr.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "monza/error.h"

namespace monza::ir {
namespace {
Expr h() { return Expr::symbol("h"); }
Expr w() { return Expr::symbol("w"); }

TEST(Expr, EqualPolynomialsAreEqual) {
  EXPECT_EQ(Expr(2) * h() + w(), w() + h() + h());
  EXPECT_EQ((h() + w()) * (h() - w()), h() * h() - w() * w());
  EXPECT_EQ(h() - h(), Expr(0));
  EXPECT_TRUE((h() - h()).is_constant());
  EXPECT_FALSE(h() == w());
  EXPECT_EQ(to_string(Expr(2) * h() + w() - Expr(3)), "2*h + w - 3");
  EXPECT_EQ(to_string(Expr(-1) * h()), "-h");
}

TEST(Expr, DivisionFoldsWhereExact) {
  EXPECT_EQ(floor_div(Expr(4) * h() + Expr(3), 2), Expr(2) * h() + Expr(1));
  EXPECT_EQ(floor_div(floor_div(h(), 2), 2), floor_div(h(), 4));
  EXPECT_EQ(ceil_div(ceil_div(h(), 2), 2), ceil_div(h(), 4));
  // A row of stride-2 convolutions: floor((h - 1) / 2) + 1, again and again.
  Expr e = h();
  for (int i = 0; i < 5; ++i) e = floor_div(e - Expr(1), 2) + Expr(1);
  EXPECT_EQ(e, ceil_div(h(), 32));
  EXPECT_EQ(floor_div(h() * w(), h()), w());
  EXPECT_EQ(*exact_div(Expr(6) * h() * w() + Expr(2) * h(), Expr(2) * h()), Expr(3) * w() + Expr(1));
  EXPECT_FALSE(exact_div(h() + Expr(1), 2).has_value());
  EXPECT_EQ(floor_div(-7, 2), Expr(-4));
  EXPECT_EQ(ceil_div(-7, 2), Expr(-3));
  EXPECT_EQ(mod(-7, 2), Expr(1));
  EXPECT_EQ(mod(Expr(4) * h() + Expr(5), 4), Expr(1));
  EXPECT_THROW(floor_div(h(), 0), Error);
}

TEST(Expr, MinAndMaxUseThatExtentsAreNotNegative) {
  EXPECT_EQ(max(h(), 0), h());
  EXPECT_EQ(min(h(), h() + Expr(3)), h());
  EXPECT_EQ(min(0, h()), Expr(0));
  EXPECT_EQ(min(min(h(), 5), w()), min(w(), min(5, h())));
  EXPECT_EQ(max(h(), h()), h());
  EXPECT_EQ(max(h(), min(512, h())), h());
  EXPECT_EQ(min(max(h(), w()), w()), w());
}

TEST(Expr, RangeContainsEveryValue) {
  std::mt19937 rng(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<Expr> pool{h(), w(), Expr(3), Expr(-2), Expr::element(4, 1)};
    auto any = [&] { return pool[rng() % pool.size()]; };
    Expr e;
    for (int i = 0; i < 6; ++i) {
      Expr a = any(), b = any();
      switch (rng() % 7) {
        case 0: e = a + b; break;
        case 1: e = a - b; break;
        case 2: e = a * b; break;
        case 3: e = floor_div(a, static_cast<int>(rng() % 4) + 1); break;
        case 4: e = ceil_div(a, static_cast<int>(rng() % 4) + 1); break;
        case 5: e = min(a, b); break;
        default: e = max(a, mod(b, 3)); break;
      }
      pool.push_back(e);
    }
    Interval r = range(e, [](const Atom& a) { return a.kind == AtomKind::symbol ? Interval{1, 9} : Interval{-4, 4}; });
    for (int sample = 0; sample < 20; ++sample) {
      std::int64_t hv = 1 + rng() % 9, wv = 1 + rng() % 9, ev = static_cast<std::int64_t>(rng() % 9) - 4;
      auto value = [&](const Atom& a) { return a.kind == AtomKind::element ? ev : a.name == "h" ? hv : wv; };
      std::int64_t v = evaluate(e, value);
      EXPECT_LE(r.low, v) << to_string(e) << " h=" << hv << " w=" << wv << " e=" << ev;
      EXPECT_GE(r.high, v) << to_string(e);
      Expr numbers = substitute(e, [&](const Atom& a) { return std::optional<Expr>(value(a)); });
      EXPECT_EQ(numbers.constant(), v) << to_string(e);
    }
    EXPECT_EQ(parse_expr(to_string(e)), e) << to_string(e);
  }
}

TEST(Expr, RangesOfMonotonePolynomialsAreExact) {
  auto bounds = [](const Atom&) { return Interval{2, 10}; };
  Interval r = range(Expr(3) * h() * w() + floor_div(h(), 3) + Expr(1), bounds);
  EXPECT_EQ(r.low, 13);
  EXPECT_EQ(r.high, 304);
  auto all = [](const Atom&) { return Interval{0, std::numeric_limits<std::int64_t>::max()}; };
  EXPECT_EQ(range(h() * w() + h(), all).high, std::numeric_limits<std::int64_t>::max());
}

TEST(Expr, OverflowIsAnError) {
  const std::int64_t big = std::numeric_limits<std::int64_t>::max();
  EXPECT_THROW(Expr(big) + Expr(1), Error);
  EXPECT_THROW(Expr(big) * (h() + h()), Error);
  EXPECT_THROW(evaluate(h() * h(), [&](const Atom&) { return big; }), Error);
  EXPECT_THROW(evaluate(floor_div(h(), w()), [](const Atom& a) { return a.name == "h" ? 1 : 0; }), Error);
}

TEST(Expr, HostileTextIsAnError) {
  EXPECT_THROW(parse_expr(std::string(100000, '(')), Error);
  EXPECT_THROW(parse_expr("floor_div(a)"), Error);
  EXPECT_THROW(parse_expr("elem(7, 0)"), Error);
  EXPECT_THROW(parse_expr("a +"), Error);
  EXPECT_THROW(parse_expr("\"a"), Error);
  EXPECT_THROW(parse_expr(""), Error);
  // Doubles with every step: refused long before it hurts.
  Expr e = h();
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) e = mod(floor_div(e, w()) + mod(e, w()), h() + w());
      },
      Error);
  EXPECT_EQ(parse_expr("\"sequence length + 1\" * 2"), Expr::symbol("sequence length + 1") * Expr(2));
  EXPECT_EQ(parse_expr(to_string(Expr::symbol("min"))), Expr::symbol("min"));
  EXPECT_EQ(parse_expr("extent(%7, 0, 4*h)"), Expr::extent(7, 0, Expr(4) * h()));
}
}  // namespace
}  // namespace monza::ir

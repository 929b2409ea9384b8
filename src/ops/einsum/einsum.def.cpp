// Einsum: the equation, shapes, parameters.
#include "ops/einsum/einsum.def.h"

#include <algorithm>
#include <map>
#include <string>

#include "ops/einsum/einsum.params.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// Labels of one term; axes under its ellipsis become 0, 1, ... counted from the last such axis of the widest operand.
std::vector<std::string> split_term(std::string_view term, std::size_t rank, std::size_t widest, bool output) {
  std::vector<std::string> names;
  const std::size_t dots = term.find("...");
  const std::size_t letters = term.size() - (dots == std::string_view::npos ? 0 : 3);
  if (!output && (dots == std::string_view::npos ? letters != rank : letters > rank))
    fail("term \"{}\" does not fit an operand of rank {}", term, rank);
  const std::size_t hidden = dots == std::string_view::npos ? 0 : output ? widest : rank - letters;
  for (std::size_t i = 0; i < term.size();) {
    if (i == dots) {
      for (std::size_t k = 0; k < hidden; ++k) names.push_back("." + std::to_string(widest - hidden + k));
      i += 3;
      continue;
    }
    const char letter = term[i++];
    if (!((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))) fail("\"{}\" is no label", letter);
    names.emplace_back(1, letter);
  }
  return names;
}

}  // namespace

Equation parse_equation(std::string_view given, const std::vector<std::size_t>& ranks) {
  std::string text(given);
  std::erase(text, ' ');
  const std::size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  std::vector<std::string> terms{""};
  for (char ch : left) {
    if (ch == ',') terms.emplace_back();
    else terms.back() += ch;
  }
  if (terms.size() != ranks.size()) fail("the equation has {} terms for {} operands", terms.size(), ranks.size());
  std::size_t widest = 0;
  for (std::size_t i = 0; i < terms.size(); ++i)
    if (terms[i].find("...") != std::string::npos && terms[i].size() - 3 <= ranks[i])
      widest = std::max(widest, ranks[i] - (terms[i].size() - 3));
  std::vector<std::vector<std::string>> names;
  std::map<std::string, int> uses;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    names.push_back(split_term(terms[i], ranks[i], widest, false));
    for (const std::string& n : names.back()) ++uses[n];
  }
  std::vector<std::string> out;
  if (arrow != std::string::npos) {
    out = split_term(text.substr(arrow + 2), 0, widest, true);
  } else {
    // Without an output: the ellipsis, then every label that occurs once, in alphabetical order ('.' sorts first).
    for (const auto& [name, count] : uses)
      if (count == 1 || name[0] == '.') out.push_back(name);
  }
  Equation e;
  std::map<std::string, int> number;
  for (const std::string& n : out) {
    if (!uses.contains(n)) fail("label \"{}\" of the output is in no operand", n);
    if (!number.emplace(n, e.labels++).second) fail("label \"{}\" occurs twice in the output", n);
  }
  e.out_rank = e.labels;
  for (const auto& term : names) {
    e.operands.emplace_back();
    for (const std::string& n : term) {
      const auto [at, added] = number.emplace(n, e.labels);
      if (added) ++e.labels;
      e.operands.back().push_back(at->second);
    }
  }
  if (e.labels > EinsumParams::kMaxLabels || e.operands.size() > static_cast<std::size_t>(EinsumParams::kMaxOperands))
    fail("{} labels and {} operands; at most {} and {} are supported", e.labels, e.operands.size(),
         EinsumParams::kMaxLabels, EinsumParams::kMaxOperands);
  return e;
}

namespace {

/// Einsum(x...) {equation}.
void infer_einsum(ir::InferContext& c) {
  std::vector<std::size_t> ranks;
  for (int i = 0; i < c.input_count(); ++i) {
    ranks.push_back(c.shape(i).size());
    if (c.dtype(i) != c.dtype(0)) c.fail("operand {} has another element type than operand 0", i);
  }
  if (!is_float(c.dtype(0)) && !is_integer(c.dtype(0)))
    c.fail("element type {} is not supported", dtype_name(c.dtype(0)));
  const Equation e = parse_equation(c.attrs().s("equation"), ranks);
  std::vector<Expr> extent(static_cast<std::size_t>(e.labels), 1);
  for (int i = 0; i < c.input_count(); ++i)
    for (std::size_t a = 0; a < c.shape(i).size(); ++a) {
      Expr& known = extent[static_cast<std::size_t>(e.operands[static_cast<std::size_t>(i)][a])];
      const Expr& here = c.shape(i)[a];
      if (known == Expr(1)) known = here;
      else if (!(here == Expr(1))) require_equal(known, here, "axes of one label differ");
    }
  c.set_output(0, c.dtype(0), ir::SymShape(extent.begin(), extent.begin() + e.out_rank));
}

void params_einsum(const ir::NodeView& n, ir::ParamsBlob& blob) {
  std::vector<std::size_t> ranks;
  for (int i = 0; i < n.input_count(); ++i) ranks.push_back(n.input(i).rank());
  const Equation e = parse_equation(n.attrs().s("equation"), ranks);
  EinsumParams p;
  p.operands = static_cast<std::int32_t>(e.operands.size());
  p.labels = e.labels;
  p.out_rank = e.out_rank;
  for (std::size_t i = 0; i < e.operands.size(); ++i)
    for (std::size_t a = 0; a < e.operands[i].size(); ++a) p.label[i][a] = e.operands[i][a];
  blob.set(p);
}

double flops_einsum(const ir::NodeView& n, const std::vector<Shape>& in, const std::vector<Shape>&) {
  std::vector<std::size_t> ranks;
  for (const Shape& s : in) ranks.push_back(static_cast<std::size_t>(s.rank));
  const Equation e = parse_equation(n.attrs().s("equation"), ranks);
  std::vector<double> extent(static_cast<std::size_t>(e.labels), 1);
  for (std::size_t i = 0; i < in.size(); ++i)
    for (std::size_t a = 0; a < ranks[i]; ++a) {
      double& x = extent[static_cast<std::size_t>(e.operands[i][a])];
      x = std::max(x, static_cast<double>(in[i][static_cast<int>(a)]));
    }
  double flops = static_cast<double>(in.size());
  for (double x : extent) flops *= x;
  return flops;
}

constexpr ir::AttrDef kAttrs[] = {ir::required("equation", ir::AttrKind::string)};

constexpr ir::OpDef kOps[] = {
    {.name = "Einsum",
     .attrs = kAttrs,
     .max_inputs = EinsumParams::kMaxOperands,
     .infer = infer_einsum,
     .params = params_einsum,
     .flops = flops_einsum},
};

}  // namespace

extern const ir::OpList einsum_ops{kOps};

}  // namespace monza::ops

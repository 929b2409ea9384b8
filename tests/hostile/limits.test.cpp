// Small files that ask for much: each is refused by a limit that it names, or builds within seconds and megabytes.
// Every model is built in a child process, whose time and memory are measured.
//
//   MONZA_BOMB=NAME   one model alone, in this process, written to NAME.onnx here: to look at it
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>

#include "base/limits.h"
#include "import/onnx/tensor_file.h"
#include "monza/engine.h"
#include "support/onnx_model.h"
#include "support/temporary.h"

namespace monza {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::TensorProto;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
constexpr double kMostSeconds = kSanitized ? 60 : 2;
constexpr std::int64_t kMostBytes = std::int64_t{768} << 20;

constexpr std::int64_t kHuge = std::int64_t{1} << 62;

struct Bomb {
  const char* name;
  std::function<void(ModelProto&)> make;
  /// Words of the error; empty where the model builds.
  std::vector<std::string> error;
  /// With these the model builds.
  std::function<void(Limits&)> raise;
  bool tune = false;
};

/// op(v0) to v1, op(v1) to v2, ...; `each` completes the nodes.
void chain(GraphProto& graph, int count, const std::function<void(int, NodeProto*)>& each) {
  for (int i = 0; i < count; ++i)
    each(i, add_node(graph, "", {"v" + std::to_string(i)}, {"v" + std::to_string(i + 1)}));
  add_output(graph, "v" + std::to_string(count));
}
void chain(GraphProto& graph, int count, const std::string& op) {
  chain(graph, count, [&](int, NodeProto* node) { node->set_op_type(op); });
}

void set_float(NodeProto* node, const std::string& name, float value) {
  auto* a = node->add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::FLOAT);
  a->set_f(value);
}

/// x read by many nodes, each of which is an output.
void hub(ModelProto& model, int readers) {
  GraphProto& g = *model.mutable_graph();
  add_input(g, "x", TensorProto::FLOAT, {4, 4});
  for (int i = 0; i < readers; ++i) {
    const std::string y = "y" + std::to_string(i);
    set_float(add_node(g, "LeakyRelu", {"x"}, {y}), "alpha", static_cast<float>(i) * 1e-6f);
    add_output(g, y);
  }
}

void many_ifs(GraphProto& graph, int count, const std::string& condition) {
  for (int i = 0; i < count; ++i) {
    const std::string k = std::to_string(i);
    NodeProto* node = add_node(graph, "If", {condition}, {"y" + k});
    for (const char* branch : {"then_branch", "else_branch"}) {
      GraphProto* body = add_body(node, branch);
      add_node(*body, branch[0] == 't' ? "Relu" : "Neg", {"x"}, {"b" + k});
      add_output(*body, "b" + k);
    }
    add_output(graph, "y" + k);
  }
}

void relu_chain(GraphProto& graph, int count) {
  add_input(graph, "v0", TensorProto::FLOAT, {4});
  for (int i = 0; i < count; ++i)
    add_node(graph, i % 2 != 0 ? "Neg" : "Relu", {"v" + std::to_string(i)}, {"v" + std::to_string(i + 1)});
  add_output(graph, "v" + std::to_string(count));
}

/// If nodes inside one another; the innermost branch reads x.
void nested_ifs(GraphProto& graph, int depth) {
  add_input(graph, "c", TensorProto::BOOL, {});
  add_input(graph, "x", TensorProto::FLOAT, {4});
  GraphProto* at = &graph;
  for (int d = 0; d < depth; ++d) {
    const std::string y = "y" + std::to_string(d);
    NodeProto* node = add_node(*at, "If", {"c"}, {y});
    add_output(*at, y);
    GraphProto* other = add_body(node, "else_branch");
    add_node(*other, "Relu", {"x"}, {"e" + std::to_string(d)});
    add_output(*other, "e" + std::to_string(d));
    at = add_body(node, "then_branch");
  }
  add_node(*at, "Neg", {"x"}, {"last"});
  add_output(*at, "last");
}

/// Loops inside one another, each of which makes what it carries longer.
void nested_loops(GraphProto& graph, int depth, bool grows) {
  add_input(graph, "x0", TensorProto::FLOAT, {2});
  add_ints(graph, "n", {3}, {});
  GraphProto* at = &graph;
  for (int d = 0; d < depth; ++d) {
    const auto name = [&](const char* what, int level) { return what + std::to_string(level); };
    NodeProto* node = add_node(*at, "Loop", {"n", "", name("x", d)}, {name("y", d)});
    if (d == 0) add_output(*at, "y0");
    GraphProto* body = add_body(node, "body");
    add_input(*body, name("i", d), TensorProto::INT64, {});
    add_input(*body, name("c", d), TensorProto::BOOL, {});
    add_input(*body, name("x", d + 1), TensorProto::FLOAT, {-1});
    add_node(*body, "Identity", {name("c", d)}, {name("k", d)});
    add_output(*body, name("k", d));
    const std::string inner = d + 1 < depth ? name("y", d + 1) : name("x", d + 1);
    if (grows) {
      add_node(*body, "Concat", {inner, inner}, {name("z", d)});
      set_int(body->mutable_node(body->node_size() - 1), "axis", 0);
    } else {
      add_node(*body, "Relu", {inner}, {name("z", d)});
    }
    add_output(*body, name("z", d));
    at = body;
  }
}

/// Functions that each call the next one twice.
void doubling_functions(ModelProto& model, int levels) {
  GraphProto& graph = *model.mutable_graph();
  add_input(graph, "x", TensorProto::FLOAT, {4});
  add_node(graph, "f0", {"x"}, {"y"})->set_domain("f");
  add_output(graph, "y");
  for (int l = 0; l < levels; ++l) {
    onnx::FunctionProto* f = add_function(model, "f" + std::to_string(l));
    if (l + 1 == levels) {
      add_node(*f, "Relu", {"x"}, {"y"});
      continue;
    }
    add_node(*f, "f" + std::to_string(l + 1), {"x"}, {"m"})->set_domain("f");
    add_node(*f, "f" + std::to_string(l + 1), {"m"}, {"y"})->set_domain("f");
  }
}

/// op(shape...) to y, of constants only.
void of_constants(ModelProto& model, const char* op, const std::vector<std::vector<std::int64_t>>& inputs,
                  const std::function<void(NodeProto*)>& attributes = {}) {
  GraphProto& graph = *model.mutable_graph();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    names.push_back("c" + std::to_string(i));
    add_ints(graph, names.back(), inputs[i], {static_cast<std::int64_t>(inputs[i].size())});
  }
  NodeProto* node = add_node(graph, op, names, {"t"});
  if (attributes) attributes(node);
  add_node(graph, "Identity", {"t"}, {"y"});
  add_output(graph, "y");
}

void filled(ModelProto& model, std::int64_t count) { of_constants(model, "ConstantOfShape", {{count}}); }

/// op(x, constant...) to y, x of this shape.
void of_input(ModelProto& model, const char* op, const Extents& shape,
              const std::vector<std::vector<std::int64_t>>& constants,
              const std::function<void(NodeProto*)>& attributes = {}) {
  GraphProto& graph = *model.mutable_graph();
  add_input(graph, "x", TensorProto::FLOAT, shape);
  std::vector<std::string> names{"x"};
  for (std::size_t i = 0; i < constants.size(); ++i) {
    names.push_back("c" + std::to_string(i));
    add_ints(graph, names.back(), constants[i], {static_cast<std::int64_t>(constants[i].size())});
  }
  NodeProto* node = add_node(graph, op, names, {"y"});
  if (attributes) attributes(node);
  add_output(graph, "y");
}

const std::vector<Bomb>& bombs() {
  static const std::vector<Bomb> list{
      {"long_chain",
       [](ModelProto& m) { relu_chain(*m.mutable_graph(), 120'000); },
       {"120000 nodes in the file are more than the limit of 50000", "--max-nodes 120000", "Limits::nodes"},
       {}},
      {"chain", [](ModelProto& m) { relu_chain(*m.mutable_graph(), 20'000); }, {}, {}},
      {"ifs_64",
       [](ModelProto& m) { nested_ifs(*m.mutable_graph(), 64); },
       {"64 bodies of nodes inside one another are more than the limit of 32", "--max-depth 64"},
       [](Limits& l) { l.depth = 64; }},
      {"ifs_30", [](ModelProto& m) { nested_ifs(*m.mutable_graph(), 30); }, {}, {}},
      {"ifs_2000",
       [](ModelProto& m) { nested_ifs(*m.mutable_graph(), 2000); },
       {"2000 bodies of nodes inside one another", "--max-depth"},
       {}},
      {"loops_30", [](ModelProto& m) { nested_loops(*m.mutable_graph(), 30, false); }, {}, {}},
      {"growing_loops_30",
       [](ModelProto& m) { nested_loops(*m.mutable_graph(), 30, true); },
       {"of loop-carried value 0 becomes"},
       {}},
      {"functions_31",
       [](ModelProto& m) { doubling_functions(m, 31); },
       {"nodes once functions are expanded are more than the limit of 50000", "f0 node 'y'", "--max-nodes"},
       {}},
      {"functions_10", [](ModelProto& m) { doubling_functions(m, 10); }, {}, {}},
      {"functions_33",
       [](ModelProto& m) { doubling_functions(m, 33); },
       {"33 bodies and functions inside one another", "--max-depth 33"},
       {}},
      {"function_of_itself",
       [](ModelProto& m) {
         doubling_functions(m, 3);
         add_node(*m.mutable_functions(2), "f0", {"y"}, {"z"})->set_domain("f");
       },
       {"the function 'f0' calls itself"},
       {}},
      {"fill_1e9", [](ModelProto& m) { filled(m, 1'000'000'000); }, {}, {}},
      {"fill_1e12",
       [](ModelProto& m) { filled(m, 1'000'000'000'000); },
       {"4000000000000 bytes of a value of shape 1000000000000 are more than the limit of 1099511627776",
        "--max-value-bytes 4000000000000"},
       {}},
      {"fill_1e18",
       [](ModelProto& m) { filled(m, 1'000'000'000'000'000'000); },
       {"bytes, or more, of a value of shape [1000000000000000000]", "--max-value-bytes"},
       {}},
      {"fill_overflow",
       [](ModelProto& m) { of_constants(m, "ConstantOfShape", {{kHuge, 4}}); },
       {"an extent overflows 64 bits: 4611686018427387904 * 4", "ConstantOfShape node 't'"},
       {}},
      {"many_fills",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_ints(g, "n", {30'000'000}, {1});
         for (int i = 0; i < 40; ++i) {
           const std::string k = std::to_string(i);
           add_node(g, "ConstantOfShape", {"n"}, {"f" + k});
           add_floats(g, "s" + k, {static_cast<float>(i)}, {1});
           add_node(g, "Add", {"f" + k, "s" + k}, {"y" + k});
           add_output(g, "y" + k);
         }
       },
       {},
       {}},
      {"product_of_fills",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_ints(g, "n", {4096, 4096}, {2});
         add_node(g, "ConstantOfShape", {"n"}, {"a"});
         add_node(g, "MatMul", {"a", "a"}, {"y"});
         add_output(g, "y");
       },
       {},
       {}},
      {"range_1e18",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_ints(g, "zero", {0}, {});
         add_ints(g, "one", {1}, {});
         add_ints(g, "end", {1'000'000'000'000'000'000}, {});
         add_node(g, "Range", {"zero", "end", "one"}, {"y"});
         add_output(g, "y");
       },
       {"--max-value-bytes"},
       {}},
      {"expand", [](ModelProto& m) { of_input(m, "Expand", {1, 4}, {{kHuge / 8, 4}}); }, {"--max-value-bytes"}, {}},
      {"tile", [](ModelProto& m) { of_input(m, "Tile", {4}, {{1'000'000'000'000'000}}); }, {"--max-value-bytes"}, {}},
      {"pad", [](ModelProto& m) { of_input(m, "Pad", {4}, {{0, 1'000'000'000'000'000}}); }, {"--max-value-bytes"}, {}},
      {"one_hot",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::INT64, {4});
         add_ints(g, "depth", {1'000'000'000'000'000}, {});
         add_floats(g, "values", {0, 1}, {2});
         add_node(g, "OneHot", {"x", "depth", "values"}, {"y"});
         add_output(g, "y");
       },
       {"--max-value-bytes"},
       {}},
      {"eye_like",
       [](ModelProto& m) { of_input(m, "EyeLike", {1 << 30, 1 << 30}, {}); },
       {"input 'x'", "--max-value-bytes"},
       {}},
      {"resize",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {1, 1, 4, 4});
         add_floats(g, "s", {1, 1, 1e9f, 1e9f}, {4});
         add_node(g, "Resize", {"x", "", "s"}, {"y"});
         add_output(g, "y");
       },
       {"the scale 1000000000 is out of range", "Resize node 'y'"},
       {}},
      {"conv_pad",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {1, 1, 4, 4});
         add_floats(g, "w", std::vector<float>(9, 1.f), {1, 1, 3, 3});
         set_ints(add_node(g, "Conv", {"x", "w"}, {"y"}), "pads",
                  {1'000'000'000, 1'000'000'000, 1'000'000'000, 1'000'000'000});
         add_output(g, "y");
       },
       {"pad 1000000000 is out of range", "Conv node 'y'"},
       {}},
      {"random_normal",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         set_ints(add_node(g, "RandomNormal", {}, {"y"}), "shape", {kHuge});
         add_output(g, "y");
       },
       {"--max-value-bytes"},
       {}},
      {"declared_shape",
       [](ModelProto& m) { of_input(m, "Relu", {kHuge}, {}); },
       {"4611686018427387904 bytes, or more, of a value of shape [4611686018427387904]", "input 'x'",
        "--max-value-bytes"},
       {}},
      {"initializer_overflow",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_floats(g, "w", {1}, {kHuge, kHuge});
         add_node(g, "Relu", {"w"}, {"y"});
         add_output(g, "y");
       },
       {"overflows 64 bits", "initializer 'w'"},
       {}},
      {"initializer_without_data",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_floats(g, "w", {1}, {1'000'000'000'000});
         add_node(g, "Relu", {"w"}, {"y"});
         add_output(g, "y");
       },
       {"bytes of tensors are more than the limit of", "initializer 'w'", "--max-weight-bytes"},
       {}},
      {"sparse_initializer",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         auto* s = g.add_sparse_initializer();
         s->mutable_values()->set_name("w");
         s->mutable_values()->set_data_type(TensorProto::FLOAT);
         s->mutable_values()->add_dims(1);
         s->mutable_values()->add_float_data(1);
         s->mutable_indices()->set_data_type(TensorProto::INT64);
         s->mutable_indices()->add_dims(1);
         s->mutable_indices()->add_int64_data(7);
         s->add_dims(100'000'000);
         add_node(g, "Relu", {"w"}, {"y"});
         add_output(g, "y");
       },
       {"400000000 bytes of a sparse tensor made dense", "initializer 'w'", "--max-fold-bytes 400000000"},
       {}},
      {"rank",
       [](ModelProto& m) { of_input(m, "Relu", Extents(100'000, 1), {}); },
       {"'x' has rank 100000; at most 8 is supported"},
       {}},
      {"many_initializers",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         for (int i = 0; i < 20'000; ++i) add_floats(g, "w" + std::to_string(i), {static_cast<float>(i)}, {1});
         add_node(g, "Relu", {"w7"}, {"y"});
         add_output(g, "y");
       },
       {},
       {}},
      {"wide_concat",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {4});
         NodeProto* node = add_node(g, "Concat", std::vector<std::string>(2'000, "x"), {"y"});
         set_int(node, "axis", 0);
         add_output(g, "y");
       },
       {},
       {}},
      {"loop_of_2_to_62",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {4});
         add_ints(g, "n", {kHuge}, {});
         NodeProto* node = add_node(g, "Loop", {"n", "", "x"}, {"y", "all"});
         GraphProto* body = add_body(node, "body");
         add_input(*body, "i", TensorProto::INT64, {});
         add_input(*body, "c", TensorProto::BOOL, {});
         add_input(*body, "v", TensorProto::FLOAT, {4});
         add_node(*body, "Identity", {"c"}, {"k"});
         add_node(*body, "Neg", {"v"}, {"w"});
         add_node(*body, "Identity", {"w"}, {"s"});
         for (const char* o : {"k", "w", "s"}) add_output(*body, o);
         add_output(g, "y");
         add_output(g, "all");
       },
       {},
       {}},
      {"long_name",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {4});
         add_node(g, "Relu", {"x"}, {"y"})->set_name(std::string(1'000'000, 'n'));
         add_output(g, "y");
       },
       {"1000000 bytes of a name", "--max-name-bytes 1000000", "Relu node 'nnnn"},
       [](Limits& l) { l.name_bytes = 1'000'000; }},
      {"strings",
       [](ModelProto& m) {
         doubling_functions(m, 14);
         // The innermost function: a constant of a megabyte of text.
         onnx::FunctionProto* f = m.mutable_functions(13);
         f->clear_node();
         NodeProto* node = add_node(*f, "Constant", {}, {"s"});
         auto* a = node->add_attribute();
         a->set_name("value_string");
         a->set_type(onnx::AttributeProto::STRING);
         a->set_s(std::string(1 << 20, 's'));
         add_node(*f, "Relu", {"x"}, {"y"});
       },
       {"bytes of attributes and strings once functions are expanded", "--max-attribute-bytes"},
       {}},
      {"identities",
       [](ModelProto& m) {
         add_input(*m.mutable_graph(), "v0", TensorProto::FLOAT, {4});
         chain(*m.mutable_graph(), 20'000, "Identity");
       },
       {},
       {}},
      {"negations",
       [](ModelProto& m) {
         add_input(*m.mutable_graph(), "v0", TensorProto::FLOAT, {4});
         chain(*m.mutable_graph(), 10'000, "Neg");
       },
       {},
       {}},
      {"reshapes",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "v0", TensorProto::FLOAT, {4, 6});
         add_ints(g, "s0", {6, 4}, {2});
         add_ints(g, "s1", {8, 3}, {2});
         chain(g, 10'000, [](int i, NodeProto* node) {
           node->set_op_type("Reshape");
           node->add_input(i % 2 == 0 ? "s0" : "s1");
         });
       },
       {},
       {}},
      {"reshape_before_work",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {4, 6});
         add_ints(g, "s", {6, 4}, {2});
         add_node(g, "Abs", {"x"}, {"a"});
         add_node(g, "Reshape", {"a", "s"}, {"v0"});
         chain(g, 10'000, "Neg");
       },
       {},
       {}},
      {"transpose_before_work",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {4, 6});
         set_ints(add_node(g, "Transpose", {"x"}, {"v0"}), "perm", {1, 0});
         chain(g, 10'000, "Neg");
       },
       {},
       {}},
      {"hub", [](ModelProto& m) { hub(m, 10'000); }, {}, {}},
      {"hub_timed", [](ModelProto& m) { hub(m, 5'000); }, {}, {}, true},
      {"branches_taken",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {4});
         TensorProto* c = g.add_initializer();
         c->set_name("c");
         c->set_data_type(TensorProto::BOOL);
         c->add_int32_data(1);
         many_ifs(g, 3'000, "c");
       },
       {},
       {}},
      {"branches",
       [](ModelProto& m) {
         add_input(*m.mutable_graph(), "x", TensorProto::FLOAT, {4});
         add_input(*m.mutable_graph(), "c", TensorProto::BOOL, {});
         many_ifs(*m.mutable_graph(), 2'000, "c");
       },
       {},
       {}},
      {"branches_in_a_branch",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {4});
         add_input(g, "c", TensorProto::BOOL, {});
         NodeProto* node = add_node(g, "If", {"c"}, {"y"});
         for (const char* branch : {"then_branch", "else_branch"}) {
           GraphProto* body = add_body(node, branch);
           many_ifs(*body, 1'000, "c");
           body->clear_output();
           add_output(*body, "y999");
         }
         add_output(g, "y");
       },
       {},
       {}},
      {"concat_of_60000",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {1});
         set_int(add_node(g, "Concat", std::vector<std::string>(60'000, "x"), {"y"}), "axis", 0);
         add_output(g, "y");
       },
       {},
       {}},
      {"split_of_60000",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {60'000});
         std::vector<std::string> parts, back;
         for (int i = 0; i < 60'000; ++i) parts.push_back("p" + std::to_string(i));
         back.assign(parts.rbegin(), parts.rend());
         set_int(add_node(g, "Split", {"x"}, parts), "axis", 0);
         set_int(add_node(g, "Concat", back, {"y"}), "axis", 0);
         add_output(g, "y");
       },
       {},
       {}},
      {"biases_of_a_large_product",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {1, 1});
         add_ints(g, "n", {1, 30'000'000}, {2});
         add_node(g, "ConstantOfShape", {"n"}, {"w"});
         add_node(g, "MatMul", {"x", "w"}, {"v0"});
         add_floats(g, "b", {1}, {1});
         chain(g, 200, [](int, NodeProto* node) {
           node->set_op_type("Add");
           node->add_input("b");
         });
       },
       {},
       {}},
      {"sequences",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {4});
         add_ints(g, "at", {0}, {});
         add_node(g, "SequenceConstruct", {"x"}, {"v0"});
         for (int i = 0; i < 2'000; ++i)
           add_node(g, "SequenceInsert", {"v" + std::to_string(i), "x"}, {"v" + std::to_string(i + 1)});
         for (int i = 0; i < 2'000; ++i) {
           add_node(g, "SequenceAt", {"v" + std::to_string(i), "at"}, {"y" + std::to_string(i)});
           add_output(g, "y" + std::to_string(i));
         }
       },
       {},
       {}},
      {"large_and_timed",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "x", TensorProto::FLOAT, {20'000, 20'000});
         add_node(g, "MatMul", {"x", "x"}, {"t"});
         add_node(g, "Softmax", {"t"}, {"y"});
         add_output(g, "y");
       },
       {},
       {},
       true},
      {"symbolic_elements",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "v0", TensorProto::INT64, {1024});
         add_input(g, "w", TensorProto::INT64, {1024});
         for (int i = 0; i < 3'000; ++i)
           add_node(g, i % 2 != 0 ? "Add" : "Mul", {"v" + std::to_string(i), "w"}, {"v" + std::to_string(i + 1)});
         add_output(g, "v3000");
       },
       {"bytes of symbolic shapes and elements", "--max-expression-bytes"},
       {}},
      {"function_inputs",
       [](ModelProto& m) {
         onnx::FunctionProto* f = add_function(m, "wide");
         for (int i = 0; i < 4'000; ++i) f->add_input("");
         add_node(*f, "Relu", {"x"}, {"y"});
         GraphProto& g = *m.mutable_graph();
         add_input(g, "v0", TensorProto::FLOAT, {4});
         for (int i = 0; i < 2'000; ++i)
           add_node(g, "wide", {"v" + std::to_string(i)}, {"v" + std::to_string(i + 1)})->set_domain("f");
         add_output(g, "v2000");
       },
       {"values of nodes once functions are expanded", "--max-values"},
       {}},
      {"symbolic_sums",
       [](ModelProto& m) {
         GraphProto& g = *m.mutable_graph();
         add_input(g, "v0", TensorProto::INT64, {1024});
         for (int i = 0; i < 3'000; ++i) {
           const std::string k = std::to_string(i);
           add_ints(g, "c" + k, {i + 1}, {1});
           add_node(g, "Add", {"v" + k, "c" + k}, {"v" + std::to_string(i + 1)});
         }
         add_output(g, "v3000");
       },
       {"bytes of symbolic shapes and elements", "--max-expression-bytes"},
       {}},
  };
  return list;
}

struct Result {
  std::string error;
  double seconds = 0;  ///< of the processor: others may use the machine
  std::int64_t bytes = 0;
  bool ended = false;
};

/// Of this process: its address space, and what of it is in memory.
std::pair<std::int64_t, std::int64_t> memory_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  file >> total >> resident;
  return {total * sysconf(_SC_PAGESIZE), resident * sysconf(_SC_PAGESIZE)};
}

std::string error_of(const std::function<void()>& act) {
  try {
    act();
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}

/// What `act` throws and takes, in a process of its own.
Result in_child(const std::function<void()>& act) {
  int ends[2];
  Result result;
  if (pipe(ends) != 0) return result;
  const std::int64_t before = memory_bytes().second;
  const pid_t child = fork();
  if (child == 0) {
    alarm(kSanitized ? 600 : 120);
    const std::string error = error_of(act) + "\n";
    const bool written = write(ends[1], error.data(), error.size()) == static_cast<ssize_t>(error.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  char text[4096];
  for (ssize_t n = 0; (n = read(ends[0], text, sizeof text)) > 0;)
    result.error.append(text, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  rusage used{};
  wait4(child, &status, 0, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  result.seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  result.bytes = std::int64_t{used.ru_maxrss} * 1024 - before;
  result.ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!result.error.empty()) result.error.pop_back();
  return result;
}

void build(const std::string& path, const Limits& limits, bool tune) {
  BuildOptions options;
  options.limits = limits;
  options.tune = tune;
  options.max_build_seconds = 1;
  options.threads = 1;
  Engine::build(path, options);
}
Result build_in_child(const std::string& path, const Limits& limits, bool tune) {
  return in_child([&] { build(path, limits, tune); });
}

TEST(Limits, SmallFilesCostLittle) {
  const char* only = std::getenv("MONZA_BOMB");
  TemporaryFolder folder;
  for (const Bomb& bomb : bombs()) {
    if (only != nullptr && std::string(only) != bomb.name) continue;
    SCOPED_TRACE(bomb.name);
    ModelProto model = empty_model();
    bomb.make(model);
    const std::string file = std::string(bomb.name) + ".onnx", path = only != nullptr ? file : folder / file;
    write_model(model, path);
    if (only != nullptr) {
      std::printf("%s\n", error_of([&] { build(path, {}, bomb.tune); }).c_str());
      continue;
    }
    const Result r = build_in_child(path, {}, bomb.tune);
    std::printf("%-32s %6.2f s %5lld MiB  %s\n", bomb.name, r.seconds, static_cast<long long>(r.bytes >> 20),
                r.error.substr(0, 150).c_str());
    EXPECT_TRUE(r.ended) << "it was killed";
    EXPECT_LT(r.seconds, kMostSeconds);
    if (!kSanitized) {
      EXPECT_LT(r.bytes, kMostBytes);
    }
    EXPECT_EQ(bomb.error.empty(), r.error.empty()) << r.error;
    for (const std::string& words : bomb.error) EXPECT_NE(r.error.find(words), std::string::npos) << r.error;
    if (!bomb.raise) continue;
    Limits raised;
    bomb.raise(raised);
    EXPECT_EQ(build_in_child(path, raised, bomb.tune).error, "");
  }
}

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  return out + static_cast<char>(value);
}
/// A field of the wire format that holds bytes.
std::string field(std::uint64_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

/// Fields of two or three bytes, each of which parsing makes an object of, in every message there is; and all of them
/// before a tag that ends too soon.
TEST(Limits, EveryObjectOfAFileIsCounted) {
  constexpr int kMany = 3'000'000;
  const auto graph = [](const std::string& content) { return field(7, content); };
  const auto node = [&](const std::string& content) { return graph(field(1, content)); };
  const auto attribute = [&](const std::string& content) { return node(field(5, content)); };
  const auto tensor = [&](const std::string& content) { return graph(field(5, content)); };
  const auto shape = [&](const std::string& content) {
    return graph(field(11, field(2, field(1, field(2, content)))));
  };
  const struct {
    const char* name;
    std::string file;
  } files[] = {
      {"functions", repeated(field(25, ""), kMany)},
      {"metadata", repeated(field(14, ""), 2 * kMany)},
      {"operator sets", repeated(field(8, ""), 2 * kMany)},
      {"nodes", graph(repeated(field(1, ""), kMany))},
      {"tensors", graph(repeated(field(5, ""), kMany))},
      {"values", graph(repeated(field(13, ""), 2 * kMany))},
      {"sparse tensors", graph(repeated(field(15, ""), 2 * kMany))},
      {"attributes", node(repeated(field(5, ""), kMany))},
      {"inputs of a node", node(repeated(field(1, ""), 3 * kMany))},
      {"tensors of an attribute", attribute(repeated(field(10, ""), kMany))},
      {"types of an attribute", attribute(repeated(field(15, ""), 2 * kMany))},
      {"dimensions", shape(repeated(field(1, ""), 2 * kMany))},
      {"strings of a tensor", tensor(repeated(field(6, ""), 3 * kMany))},
      {"places of a tensor", tensor(repeated(field(13, ""), 2 * kMany))},
      {"inputs of a function", field(25, repeated(field(4, ""), 3 * kMany))},
      {"a broken tag at the end", repeated(field(25, ""), kMany) + "\xff\xff"},
  };
  const TemporaryFolder folder;
  for (const auto& f : files) {
    SCOPED_TRACE(f.name);
    std::ofstream(folder / "m.onnx", std::ios::binary) << f.file;
    const Result r = build_in_child(folder / "m.onnx", {}, false);
    EXPECT_TRUE(r.ended);
    const bool counted = r.error.find("nodes in the file are more than the limit of") != std::string::npos ||
                         r.error.find("values in the file are more than the limit of") != std::string::npos ||
                         r.error.find("values' worth of objects in the file") != std::string::npos;
    EXPECT_TRUE(counted) << r.error;
    if (!kSanitized) {
      EXPECT_LT(r.bytes, static_cast<std::int64_t>(f.file.size()) + (std::int64_t{32} << 20));
    }
  }
  // Files of tensors and of lists of them, too.
  std::ofstream(folder / "list.pb", std::ios::binary) << repeated(field(3, ""), kMany);
  EXPECT_THROW(read_onnx_list(folder / "list.pb", false), Error);
  std::ofstream(folder / "tensor.pb", std::ios::binary) << repeated(field(13, ""), 2 * kMany);
  EXPECT_THROW(read_onnx_tensor(folder / "tensor.pb"), Error);
}

/// A string of 50 MB that a few bytes announce, in each kind of file: no room is made for it.
TEST(Limits, NoRoomIsMadeForWhatAFileOnlyAnnounces) {
  if (kSanitized) GTEST_SKIP() << "sanitizers take memory of their own";
  const auto announced = [](std::uint64_t number) { return varint(number << 3 | 2) + varint(48 << 20) + "x"; };
  const TemporaryFolder folder;
  const struct {
    const char* file;
    std::string bytes;
  } files[] = {
      {"m.onnx", announced(2)},                                       // the producer's name
      {"graph.onnx", varint(7 << 3 | 2) + varint(9) + announced(2)},  // the graph's, which leaves the graph
      {"tensor.pb", announced(9)},                                    // raw data
      {"list.pb", announced(1)},
  };
  for (const auto& f : files) {
    SCOPED_TRACE(f.file);
    const std::string path = folder / f.file;
    std::ofstream(path, std::ios::binary) << f.bytes;
    const Result r = in_child([&] {
      // Room that is reserved and not touched is no resident memory: the address space is what is limited.
      const auto most = rlim_t(memory_bytes().first + (std::int64_t{32} << 20));
      const rlimit room{most, most};
      if (setrlimit(RLIMIT_AS, &room) != 0) throw Error("the address space cannot be limited");
      if (path.ends_with(".onnx")) (void)onnx_interface(path, {});
      else if (path.ends_with("list.pb")) (void)read_onnx_list(path, false);
      else (void)read_onnx_tensor(path);
    });
    EXPECT_TRUE(r.ended);
    EXPECT_NE(r.error.find("damaged or truncated"), std::string::npos) << r.error;
  }
}

/// Loop(n, "", first) to y: `fill` adds to the body what makes "w" of "v".
void growing_loop(ModelProto& model, std::int64_t trips, const std::string& first,
                  const std::function<void(onnx::TypeProto&)>& type, const std::function<void(GraphProto&)>& fill) {
  GraphProto& g = *model.mutable_graph();
  add_ints(g, "n", {trips}, {});
  GraphProto* body = add_body(add_node(g, "Loop", {"n", "", first}, {"y"}), "body");
  add_input(*body, "i", TensorProto::INT64, {});
  add_input(*body, "c", TensorProto::BOOL, {});
  body->add_input()->set_name("v");
  type(*body->mutable_input(2)->mutable_type());
  add_node(*body, "Identity", {"c"}, {"k"});
  add_output(*body, "k");
  fill(*body);
  add_output(*body, "w");
  add_output(g, "y");
}

/// The status of one run on ones, with little room for strings and sequences.
std::string run_words(const ModelProto& model, const Limits& limits = {}) {
  const TemporaryFolder folder;
  write_model(model, folder / "m.onnx");
  BuildOptions options;
  options.tune = false;
  options.threads = 1;
  options.limits = limits;
  const Engine engine = Engine::build(folder / "m.onnx", options);
  Context context = engine.create_context({.threads = 1, .max_pool_bytes = 1 << 20});
  const Tensor x(DType::f32, {4});
  if (!engine.inputs().empty() && !context.bind_input("x", x)) return "not bound";
  const Status status = context.run();
  EXPECT_EQ(status.code(), StatusCode::resource_exhausted);
  return context.describe(status);
}

TEST(Limits, GrowthInLoopsEndsWithAStatus) {
  ModelProto strings = empty_model(20);
  TensorProto* text = strings.mutable_graph()->add_initializer();
  text->set_name("s");
  text->set_data_type(TensorProto::STRING);
  text->add_dims(1);
  text->add_string_data("twice as long each time");
  growing_loop(
      strings, kHuge, "s",
      [](onnx::TypeProto& t) {
        t.mutable_tensor_type()->set_elem_type(TensorProto::STRING);
        t.mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(1);
      },
      [](GraphProto& body) { add_node(body, "StringConcat", {"v", "v"}, {"w"}); });
  EXPECT_NE(run_words(strings).find("max_pool_bytes"), std::string::npos);

  ModelProto sequence = empty_model();
  GraphProto& g = *sequence.mutable_graph();
  add_input(g, "x", TensorProto::FLOAT, {4});
  add_node(g, "SequenceConstruct", {"x"}, {"s"});
  growing_loop(
      sequence, kHuge, "s",
      [](onnx::TypeProto& t) {
        auto* tensor = t.mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type();
        tensor->set_elem_type(TensorProto::FLOAT);
        tensor->mutable_shape()->add_dim()->set_dim_value(4);
      },
      [](GraphProto& body) { add_node(body, "SequenceInsert", {"v", "x"}, {"w"}); });
  EXPECT_NE(run_words(sequence).find("max_pool_bytes"), std::string::npos);

  // Nothing grows but the number of iterations, which is more than the engine was built for.
  ModelProto counting = empty_model();
  add_input(*counting.mutable_graph(), "x", TensorProto::FLOAT, {4});
  growing_loop(
      counting, kHuge, "x",
      [](onnx::TypeProto& t) {
        t.mutable_tensor_type()->set_elem_type(TensorProto::FLOAT);
        t.mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(4);
      },
      [](GraphProto& body) { add_node(body, "Neg", {"v"}, {"w"}); });
  Limits few;
  few.trips = 100;
  EXPECT_NE(run_words(counting, few).find("more iterations than the engine was built for"), std::string::npos);
}

}  // namespace
}  // namespace monza

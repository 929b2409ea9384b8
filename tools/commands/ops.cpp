// monza ops: which operators run, where, and in which precisions. The build keeps what --markdown prints.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "base/plugin_operator.h"
#include "import/api.h"
#include "ir/op.h"
#include "kernel/registry.h"
#include "tools/args/command.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

enum Column { kReference, kFp32, kBf16, kInt8, kCuda, kColumns };
constexpr const char* kTitles[kColumns] = {"reference", "fp32", "bf16", "int8", "CUDA"};

struct Row {
  std::string domain, name, opsets;
  std::string graph_name;  ///< of the operator of the graph that it becomes
  bool in_graph = false;   ///< false: it becomes other operators
  std::vector<std::string> cells[kColumns];
};

/// Works on 8-bit integers and their scales.
bool is_integer_operator(std::string_view op) {
  return op.starts_with("Q") || op.find("uantize") != std::string_view::npos ||
         op.find("Integer") != std::string_view::npos;
}

const char* vector_name(Isa needs) {
  if (covers(needs, Isa::amx_int8) || covers(needs, Isa::amx_bf16)) return "AMX";
  if (covers(needs, Isa::avx512vnni)) return "AVX-512 VNNI";
  if (covers(needs, Isa::avx512bf16)) return "AVX-512 BF16";
  if (covers(needs, Isa::avx512)) return "AVX-512";
  if (covers(needs, Isa::avxvnni)) return "AVX-VNNI";
  if (covers(needs, Isa::avx2)) return "AVX2";
  return "x86-64";
}

void fill_cells(Row& row, std::string_view op) {
  for (const Kernel* k : kernels_of(op)) {
    const auto add = [&](Column column, const char* text) {
      auto& cell = row.cells[column];
      if (std::find(cell.begin(), cell.end(), text) == cell.end()) cell.emplace_back(text);
    };
    if (k->device == DeviceKind::cuda) add(kCuda, "yes");
    else if (k->reference) add(kReference, "yes");
    else if (k->arithmetic.computes_in == Precision::bf16) add(kBf16, vector_name(k->needs));
    else add(is_integer_operator(op) ? kInt8 : kFp32, vector_name(k->needs));
  }
}

/// A plugin's operator has its domain and version in its name in the graph.
std::string graph_name_of(const OnnxImporter& importer) {
  const std::string qualified = std::string(importer.domain) + "." + importer.op_type;
  for (const ir::OpDef* op : ir::all_ops())
    if (const auto name = parse_plugin_operator(op->name); name && name->qualified == qualified) return op->name;
  return importer.op_type;
}

std::vector<Row> rows_of_onnx() {
  std::map<std::pair<std::string, std::string>, Row> rows;
  for (const OnnxImporter* i : all_onnx_importers()) {
    const std::string domain = *i->domain != 0 ? i->domain : "ai.onnx";
    Row& row = rows[{domain, i->op_type}];
    row.domain = domain;
    row.name = i->op_type;
    row.graph_name = graph_name_of(*i);
    row.opsets += fmt::format("{}{}{}", row.opsets.empty() ? "" : ", ", i->since,
                              i->until >= 1000       ? "+"
                              : i->until == i->since ? ""
                                                     : fmt::format("-{}", i->until));
  }
  std::vector<Row> list;
  for (auto& [key, row] : rows) {
    row.in_graph = ir::find_op(row.graph_name) != nullptr;
    if (row.in_graph) fill_cells(row, row.graph_name);
    list.push_back(std::move(row));
  }
  return list;
}

/// Operators of the graph that no ONNX operator is named after: what others and fusions become.
std::vector<Row> rows_of_graph(const std::vector<Row>& onnx) {
  std::set<std::string> named;
  for (const Row& row : onnx) named.insert(row.graph_name);
  std::vector<Row> list;
  for (const ir::OpDef* op : ir::all_ops()) {
    if (named.contains(op->name)) continue;
    Row row;
    row.name = op->name;
    row.in_graph = true;
    fill_cells(row, op->name);
    list.push_back(std::move(row));
  }
  return list;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& w : words) text += (text.empty() ? "" : ", ") + w;
  return text;
}

std::string markdown(const std::vector<Row>& onnx, const std::vector<Row>& graph) {
  std::string text =
      "# Operators\n\nMade by `monza ops --markdown` from the registries of importers and kernels; a test holds this "
      "file "
      "against it.\n\n"
      "**reference**: plain loops that take every type the operator allows, run on any machine and by `--device "
      "reference`. The\nother columns name the instruction sets that have a faster kernel: for 32-bit floats (or, "
      "where an "
      "operator only moves\nelements, for any), for bfloat16 products, and for 8-bit integers. A kernel may refuse a "
      "type or "
      "shape: `monza explain\nMODEL NODE` says which and why.\n\n";
  const auto table = [&](const std::vector<Row>& rows, bool with_opsets) {
    // A column that nothing fills is left out.
    std::vector<int> columns = {kReference};
    for (int c = kFp32; c < kColumns; ++c)
      if (std::any_of(rows.begin(), rows.end(), [&](const Row& r) { return !r.cells[c].empty(); }))
        columns.push_back(c);
    text += with_opsets ? "| operator | opsets |" : "| operator |";
    for (const int c : columns) text += fmt::format(" {} |", kTitles[c]);
    text += with_opsets ? "\n|---|---|" : "\n|---|";
    for (std::size_t i = 0; i < columns.size(); ++i) text += "---|";
    text += '\n';
    for (const Row& r : rows) {
      text += fmt::format("| {} |", r.name);
      if (with_opsets) text += fmt::format(" {} |", r.opsets);
      for (std::size_t i = 0; i < columns.size(); ++i)
        text += !r.in_graph ? (i == 0 ? " becomes others |" : " |")
                            : " " + joined(r.cells[columns[i]]) + (r.cells[columns[i]].empty() ? "|" : " |");
      text += '\n';
    }
  };
  std::map<std::string, std::vector<Row>> by_domain;
  for (const Row& r : onnx) by_domain[r.domain].push_back(r);
  for (const auto& [domain, rows] : by_domain) {
    text += fmt::format("## {}: {} operators\n\n", domain, rows.size());
    table(rows, true);
    text += '\n';
  }
  text += fmt::format(
      "## Operators of the graph: {}\n\nWhat importers and fusions make that ONNX has no operator of the "
      "same name for.\n\n",
      graph.size());
  table(graph, false);
  return text;
}

int run(bool json, bool as_markdown) {
  const auto onnx = rows_of_onnx();
  const auto graph = rows_of_graph(onnx);
  if (as_markdown) {
    write_output(markdown(onnx, graph));
    return kExitOk;
  }
  if (json) {
    Json report;
    const auto add = [&](const char* key, const std::vector<Row>& rows) {
      auto& list = report[key] = Json::array();
      for (const Row& r : rows) {
        Json entry = {{"operator", r.name}, {"in_graph", r.in_graph}};
        if (!r.domain.empty()) entry["domain"] = r.domain, entry["opsets"] = r.opsets;
        for (int c = 0; c < kColumns; ++c) entry[kTitles[c]] = r.cells[c];
        list.push_back(std::move(entry));
      }
    };
    add("onnx", onnx);
    add("graph", graph);
    print_json(report);
    return kExitOk;
  }
  for (const Row& r : onnx) {
    std::string cells;
    for (int c = kFp32; c < kColumns; ++c)
      if (!r.cells[c].empty()) cells += fmt::format("  {}: {}", kTitles[c], joined(r.cells[c]));
    print("{:22} {:30} {:14}{}\n", r.domain, r.name, r.opsets, r.in_graph ? cells : "  becomes others");
  }
  print("{} operators\n", onnx.size());
  return kExitOk;
}

}  // namespace

void add_ops(Commands& commands) {
  struct Options {
    bool json = false, markdown = false;
    std::vector<std::string> plugins;
  };
  const auto o = std::make_shared<Options>();
  CommandOptions app = commands.add("ops", "Lists the operators that run, and the kernels that each has.",
                                    "  monza ops | grep Conv\n"
                                    "  monza ops --plugin ./libexample.so | grep org.example\n"
                                    "  monza ops --markdown > operators.md",
                                    [o] { return run(o->json, o->markdown); });
  app.add_option("--plugin", o->plugins, "list the operators of this plugin, too (repeat for more)")
      .allow_extra_args(false)
      .type_name("FILE")
      .file(FileRole::loads);
  app.add_flag("--markdown", o->markdown, "tables, as a page");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool

#include "engine/reduce_model.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/output_file.h"
#include "base/temporary_folder.h"
#include "engine/value_types.h"
#include "import/onnx/onnx_editor.h"

namespace monza {
namespace {

using Nodes = std::vector<int>;  ///< indices in the file, in an order that can be executed; without Constants

class Reducer {
 public:
  Reducer(const std::string& path, const ReduceOptions& options, const FailureTest& test)
      : path_(path), o_(options), test_(test), file_(OnnxFile::open(path, options.limits)), all_(file_) {}

  ReducedModel run() {
    for (const int n : all_.order())
      if (all_.node(n).op_type() != "Constant") kept_.push_back(n);
    result_.nodes_before = static_cast<int>(kept_.size());
    say("the whole model", 0);
    result_.failure = test_(path_, o_.inputs);
    ++result_.tests;
    if (result_.failure.empty())
      throw Error("it does not fail", "the inputs and options that it fails with").at("'" + path_ + "'");
    learn_types(path_);
    cut_tail();
    cut_head();
    leave_out();
    if (result_.bytes.empty())  // no part of it fails alone
      (void)fails(kept_, true);
    result_.nodes = static_cast<int>(kept_.size());
    return std::move(result_);
  }

 private:
  void say(std::string_view what, double fraction) const {
    if (o_.progress) o_.progress(what, fraction);
  }

  /// What import tells, as far as it comes.
  void learn_types(const std::string& path) {
    try {
      OnnxImportOptions options;
      options.limits = o_.limits;
      for (const auto& [name, tensor] : o_.inputs) options.shapes[name] = tensor.shape();
      options.outputs = OnnxEditor(OnnxFile::open(path, o_.limits)).made_values();
      types_.merge(value_types(*import_onnx(path, options)));
    } catch (const Error&) {
    }
  }

  std::optional<OnnxInput> type_of(const std::string& name) const {
    for (const auto* known : {&o_.values, &o_.inputs})
      if (const auto it = known->find(name); it != known->end())
        return OnnxInput{name, it->second.dtype(), true, it->second.shape(), {}};
    if (const auto it = types_.find(name); it != types_.end()) return it->second;
    return all_.declared_type(name);
  }

  /// The part of the model that is those nodes: values from before them are its inputs, values that nothing in it reads
  /// its outputs. Nothing where nobody knows the type of an input.
  struct Part {
    std::string bytes;
    std::map<std::string, Tensor> inputs;
  };
  std::optional<Part> part_of(const Nodes& nodes) const {
    std::set<std::string> made, read;
    for (const int n : nodes) {
      made.insert(all_.node(n).output().begin(), all_.node(n).output().end());
      for (const std::string& name : all_.reads(n)) read.insert(name);
    }
    OnnxEditor editor(file_);
    std::vector<OnnxInput> outputs;
    for (const int n : nodes)
      for (const std::string& name : all_.node(n).output())
        if (!name.empty() && !read.contains(name))
          outputs.push_back(type_of(name).value_or(OnnxInput{name, DType::invalid, false, {}, {}}));
    if (outputs.empty()) return std::nullopt;
    Part part;
    const auto feed = [&](const std::string& name) {
      for (const auto* known : {&o_.inputs, &o_.values})
        if (const auto it = known->find(name); it != known->end()) part.inputs.insert_or_assign(name, it->second);
    };
    editor.set_outputs(outputs);
    for (const std::string& name : read) {
      if (made.contains(name) || all_.is_constant(name)) continue;
      switch (all_.maker_of(name)) {
        case OnnxEditor::Maker::node: {
          const auto type = type_of(name);
          if (!type || type->dtype == DType::invalid) return std::nullopt;
          editor.make_input(*type);
          feed(name);
          break;
        }
        case OnnxEditor::Maker::input: feed(name); break;
        default: break;
      }
    }
    editor.forget_types();
    part.bytes = editor.finish(0);
    return part;
  }

  /// Whether the part fails as the model does; it is kept as the result then. `any`: however it fails.
  bool fails(const Nodes& nodes, bool any = false) {
    auto part = part_of(nodes);
    if (!part) return false;
    const std::string path = folder_.file("model.onnx");
    write_file(path, part->bytes);
    ++result_.tests;
    if (!any && test_(path, part->inputs) != result_.failure) return false;
    result_.bytes = std::move(part->bytes);
    result_.inputs = std::move(part->inputs);
    return true;
  }

  /// The nodes that `last` needs of those.
  Nodes ancestors(const Nodes& nodes, int last) const {
    std::set<std::string> wanted;
    for (const std::string& name : all_.reads(last)) wanted.insert(name);
    Nodes found = {last};
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
      const auto& outputs = all_.node(*it).output();
      if (*it == last ||
          std::none_of(outputs.begin(), outputs.end(), [&](const std::string& o) { return wanted.contains(o); }))
        continue;
      for (const std::string& name : all_.reads(*it)) wanted.insert(name);
      found.insert(found.begin(), *it);
    }
    return found;
  }

  /// The fewest first nodes that fail; of these what the last of them needs.
  void cut_tail() {
    const Nodes whole = kept_;
    if (!fails(whole)) return;  // it fails by what the model calls its outputs
    std::size_t good = 0, bad = whole.size();
    while (bad - good > 1) {
      const std::size_t middle = good + (bad - good) / 2;
      say("cutting the end off", 0.1 + 0.3 * (1 - static_cast<double>(bad - good) / static_cast<double>(whole.size())));
      const Nodes first(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(middle));
      (fails(first) ? bad : good) = middle;
    }
    kept_.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bad));
    (void)fails(kept_);  // the result is of the last one that failed
    // A model that is refused at this node may be understood until there.
    if (types_.empty() && bad > 1) {
      const Nodes before(kept_.begin(), kept_.end() - 1);
      if (const auto part = part_of(before)) {
        const std::string path = folder_.file("before.onnx");
        write_file(path, part->bytes);
        learn_types(path);
      }
    }
    if (const Nodes needed = ancestors(kept_, kept_.back()); needed.size() < kept_.size() && fails(needed))
      kept_ = needed;
  }

  /// The fewest last nodes that fail.
  void cut_head() {
    const Nodes whole = kept_;
    std::size_t good = whole.size(), bad = 0;  // nodes cut off
    while (good - bad > 1) {
      const std::size_t middle = bad + (good - bad) / 2;
      say("cutting the begin off",
          0.4 + 0.3 * (1 - static_cast<double>(good - bad) / static_cast<double>(whole.size())));
      const Nodes last(whole.begin() + static_cast<std::ptrdiff_t>(middle), whole.end());
      if (fails(last)) {
        bad = middle;
        kept_ = last;
      } else {
        good = middle;
      }
    }
  }

  /// Runs of nodes in the midst, half as long each time, that it fails without.
  void leave_out() {
    for (std::size_t length = kept_.size() / 2; length > 0; length /= 2)
      for (std::size_t at = 0; at + 1 < kept_.size();) {
        say("leaving nodes out", 0.7 + 0.3 / static_cast<double>(length + 1));
        Nodes fewer = kept_;
        const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(at);
        fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(length, fewer.size() - at)));
        if (!fewer.empty() && fails(fewer)) kept_ = std::move(fewer);
        else at += length;
      }
  }

  const std::string& path_;
  const ReduceOptions& o_;
  const FailureTest& test_;
  std::shared_ptr<OnnxFile> file_;
  OnnxEditor all_;  ///< only asked
  TemporaryFolder folder_{"the models that are tried"};
  Nodes kept_;
  std::map<std::string, OnnxInput> types_;
  ReducedModel result_;
};

}  // namespace

ReducedModel reduce_model(const std::string& path, const ReduceOptions& options, const FailureTest& test) {
  return Reducer(path, options, test).run();
}

}  // namespace monza

#include "pipelines/page.h"

#include <fmt/format.h>

#include "serve/datatype.h"
#include "serve/json_out.h"
#include "serve/served_model.h"

namespace monza::pipelines {

extern const char* const kPageHtml;  // generated from page.html

namespace {

using serve::append_json_list;
using serve::append_json_string;

class PageTask final : public serve::Task {
 public:
  const char* method() const override { return "GET"; }
  serve::Answer answer(const serve::TaskRequest&) const override {
    return {200, kPageHtml, "text/html; charset=utf-8"};
  }
};

std::int64_t load(const std::atomic<std::int64_t>& value) { return value.load(std::memory_order_relaxed); }

class StatusTask final : public serve::Task {
 public:
  StatusTask(serve::Service& service, ModelTasks tasks) : service_(service), tasks_(std::move(tasks)) {}
  const char* method() const override { return "GET"; }
  serve::Answer answer(const serve::TaskRequest&) const override {
    const double now = std::chrono::duration<double>(serve::Clock::now().time_since_epoch()).count();
    std::string out = fmt::format("{{\"version\":\"" MONZA_VERSION "\",\"time\":{:.6f},\"connections\":{},\"bounds\":[",
                                  now, load(service_.metrics.connections));
    for (const auto bound : serve::Histogram::kBoundsNs)
      fmt::format_to(std::back_inserter(out), "{}{}", out.back() == '[' ? "" : ",", static_cast<double>(bound) / 1e9);
    out += "],\"models\":[";
    for (const auto& queue : service_.models()) {
      if (out.back() == '}') out += ',';
      append_model(out, *queue);
    }
    return {200, out + "]}"};
  }

 private:
  static void append_ports(std::string& out, const char* key, const std::vector<serve::Port>& ports) {
    fmt::format_to(std::back_inserter(out), ",\"{}\":[", key);
    for (const serve::Port& port : ports) {
      if (out.back() == '}') out += ',';
      out += "{\"name\":";
      append_json_string(out, port.name);
      fmt::format_to(std::back_inserter(out), ",\"datatype\":\"{}\",\"shape\":", serve::datatype_name(port.dtype));
      append_json_list(out, serve::declared_shape(port, false));
      out += '}';
    }
    out += ']';
  }

  void append_model(std::string& out, serve::ModelQueue& queue) const {
    const serve::ServedModel& model = queue.model();
    serve::ModelMetrics& metrics = queue.metrics();
    out += "{\"name\":";
    append_json_string(out, model.name());
    append_ports(out, "inputs", model.inputs());
    append_ports(out, "outputs", model.outputs());
    out += ",\"tasks\":[";
    if (const auto found = tasks_.find(model.name()); found != tasks_.end())
      fmt::format_to(std::back_inserter(out), "\"{}\"", fmt::join(found->second, "\",\""));
    std::int64_t refused = 0;
    for (const auto& count : metrics.refused) refused += load(count);
    fmt::format_to(std::back_inserter(out),
                   "],\"waiting\":{},\"rows\":{},\"refused\":{},\"latency\":", load(metrics.waiting),
                   load(metrics.rows), refused);
    std::vector<std::int64_t> counts;
    for (std::size_t i = 0; i <= serve::Histogram::kBoundsNs.size(); ++i)
      counts.push_back(metrics.phase(serve::Phase::total).count_at(i));
    append_json_list(out, counts);
    out += '}';
  }

  serve::Service& service_;
  const ModelTasks tasks_;
};

}  // namespace

std::shared_ptr<const serve::Task> page_task() { return std::make_shared<PageTask>(); }
std::shared_ptr<const serve::Task> status_task(serve::Service& service, ModelTasks tasks) {
  return std::make_shared<StatusTask>(service, std::move(tasks));
}

}  // namespace monza::pipelines

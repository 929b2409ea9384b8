#include "tools/llm/llm_args.h"

#include "tensor/dtype.h"
#include "tools/llm/sampling_args.h"

namespace monza::tool {

void LlmArgs::add_to(CommandOptions& app) {
  app.add_option("MODEL", model, "a GGUF file, or an engine file built from one").required().type_name("FILE");
  app.add_option("--threads", threads, "0: as many as this process may use").type_name("N");
  app.add_option("--context", context, "positions that all sequences may have together").type_name("N");
  app.add_option("--state", state, "what keys and values are kept in: f32, f16, bf16, i8").type_name("TYPE");
  app.add_flag("--tune", tune, "time the kernels before the first token, as build does");
  app.add_option("--timing-cache", timing_cache, "a file of timings, read and written").type_name("FILE");
}

llm::TokenModelOptions LlmArgs::options(Progress& progress) const {
  llm::TokenModelOptions o;
  const DType type = parse_dtype(state);
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16 && type != DType::i8)
    throw UsageError(message("--state is '{}', not f32, f16, bf16 or i8", state));
  if (context < 1 || context > (std::int64_t{1} << 24))
    throw UsageError(message("--context is {}, not 1 to {}", context, std::int64_t{1} << 24));
  if (threads < 0) throw UsageError(message("--threads is {}, below 0", threads));
  o.build.io_types["state"] = type;
  o.build.tune = tune;
  o.build.batch_invariant = true;  // what is written does not depend on what else is
  o.build.threads = threads;
  o.build.timing_cache = timing_cache;
  o.build.progress = [&progress](std::string_view stage, double fraction) { progress.update(stage, fraction); };
  o.threads = threads;
  o.positions = context;
  o.max_sequences = sequences;
  return o;
}

void ChatTemplateArgs::add_to(CommandOptions& app) {
  app.add_option("--system", system, "what the model is told before all else").type_name("TEXT");
  app.add_option("--chat-template", template_file, "a Jinja template, in place of the model's").type_name("FILE");
}

void ChatTemplateArgs::apply(llm::TextModel& model) const {
  if (!template_file.empty()) model.set_chat(read_text(template_file));
}

}  // namespace monza::tool

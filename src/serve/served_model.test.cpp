// What can be served, and which requests may share a run.
#include "serve/served_model.h"

#include <gtest/gtest.h>

#include "monza/error.h"
#include "serve/service.h"
#include "support/engine_from_text.h"

namespace monza::serve {
namespace {

Engine planned(const std::string& text) {
  plan::PlanScope scope;
  for (const char* symbol : {"batch", "n", "m"}) scope.profile[symbol] = {1, 4, 4};
  scope.profile["many"] = {2, 4, 4};
  return test::engine_from_text(text, scope).engine;
}
ServedModel served(const std::string& text, BatchRule rule = {}) { return {"net", planned(text), rule}; }
std::string refusal_of(const std::string& text, BatchRule rule = {}) {
  try {
    (void)served(text, rule);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}
/// y = -x for an x of these types, and the same for z beside it.
std::string negate(const std::string& type) {
  return "graph \"main\" (%x: " + type + ") {\n  %y = Neg(%x)\n  return (y: %y)\n}";
}
std::string negate(const std::string& x, const std::string& z) {
  return "graph \"main\" (%x: " + x + ", %z: " + z + ") {\n  %y = Neg(%x)\n  %w = Neg(%z)\n  return (y: %y, w: %w)\n}";
}

TEST(ServedModel, BatchesWhatIsCalledABatch) {
  EXPECT_EQ(served(negate("f32[batch,3]")).max_rows(), 4);
  EXPECT_EQ(served(negate("f32[batch,3]"), {2}).max_rows(), 2);
  EXPECT_EQ(served(negate("f32[batch,3]", "f32[batch]")).max_rows(), 4);
  EXPECT_EQ(served(negate("f32[n,3]")).max_rows(), 4);       // N, as exporters call it
  EXPECT_EQ(served(negate("f32[m,3]"), {4}).max_rows(), 4);  // because it was asked for
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {negate("f32[2,3]"), "the first dimension of input 'x' is fixed"},
           {negate("f32[m,3]"), "the first dimension is called 'm', and may be something else than a batch"},
           {negate("f32[many,3]"), "input 'x' takes no single row"},
           {negate("f32[batch,3]", "f32[2]"), "the first dimension of 'z' is not 'batch', as that of input 'x' is"},
           {negate("f32[batch,batch]"), "'batch' is more than one dimension of 'x'"}}) {
    const ServedModel model = served(text);
    EXPECT_FALSE(model.batches());
    EXPECT_EQ(model.max_rows(), 1);
    EXPECT_EQ(model.why_not_batched(), why);
  }
  EXPECT_EQ(served(negate("f32[batch,3]"), {1}).why_not_batched(), "it was asked for");
  for (const char* name : {"batch", "batch_size", "BatchSize", "N", "bs", "unk__batch"})
    EXPECT_TRUE(names_a_batch(name));
  for (const char* name : {"", "sequence", "time", "num", "m"}) EXPECT_FALSE(names_a_batch(name));
}

TEST(ServedModel, SaysWhatCannotBeServed) {
  EXPECT_EQ(refusal_of(negate("f32[2,3]"), {4}),
            "requests cannot share runs of 'net': the first dimension of input 'x' is fixed\n  try: leave --max-batch "
            "out, or export the model with an open first dimension");
  EXPECT_EQ(refusal_of(negate("f32[batch,3]"), {8}),
            "the engine of 'net' takes 4 rows at most, not 8\n  try: build the engine for it: --max-shape batch=8");
  const std::string numbers = "\n  try: serve a model of dense tensors of numbers or strings";
  EXPECT_EQ(refusal_of("graph \"main\" (%l: seq(f32[<=4])) {\n  %n: i64[] = SequenceLength(%l)\n  return (n: %n)\n}"),
            "input 'l' cannot be served: it is a list or optional" + numbers);
  EXPECT_EQ(refusal_of("graph \"main\" (%x: f8e5m2[2]) {\n  %y = Cast(%x) {to=\"f32\"}\n  return (y: %y)\n}"),
            "input 'x' cannot be served: KServe v2 has no name for f8e5m2" + numbers);
  Service service({});
  const auto add = [&](const std::string& name) -> std::string {
    try {
      service.add(std::make_shared<ServedModel>(name, planned(negate("f32[2]")), BatchRule{}), {});
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  EXPECT_EQ(add("a"), "");
  EXPECT_EQ(add("a"), "two models are called 'a'\n  try: rename one of the files");
  EXPECT_EQ(add(""), "a model has no name");
}

}  // namespace
}  // namespace monza::serve

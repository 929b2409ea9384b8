/* A plugin that is refused: for what, the environment's MONZA_TEST_WRONG says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monza/plugin.h"

static const char* infer(const monza_plugin_host* host, monza_plugin_node* node) {
  (void)host, (void)node;
  return "never";
}
static const char* params(const monza_plugin_host* host, monza_plugin_node* node, void* bytes) {
  (void)host, (void)node, (void)bytes;
  return "never";
}
static const char* verify(const monza_plugin_call* call) {
  (void)call;
  return "never";
}
static const char* run(const monza_plugin_call* call) {
  (void)call;
  return "never";
}

enum { kMany = 65 };
static monza_plugin_operator all[kMany];
static const monza_plugin_operator* operators[kMany];
static char names[kMany][16];
static monza_plugin_attribute attribute = {.struct_size = sizeof(monza_plugin_attribute), .name = "a"};
static const monza_plugin_attribute* attributes[] = {&attribute, &attribute};
static monza_plugin plugin = {sizeof(monza_plugin), MONZA_PLUGIN_ABI, "wrong", operators, 1};

const monza_plugin* monza_plugin_get(void) {
  for (int i = 0; i < kMany; ++i) {
    snprintf(names[i], sizeof names[i], "W%d", i);
    all[i] = (monza_plugin_operator){.struct_size = sizeof all[i],
                                     .domain = "test.wrong",
                                     .name = names[i],
                                     .version = 1,
                                     .max_inputs = 1,
                                     .min_outputs = 1,
                                     .max_outputs = 1,
                                     .attributes = attributes,
                                     .infer = infer,
                                     .verify = verify,
                                     .run = run};
    operators[i] = &all[i];
  }
  monza_plugin_operator* op = &all[0];
  const char* wrong = getenv("MONZA_TEST_WRONG");
#define WRONG(what) if (wrong != NULL && strcmp(wrong, what) == 0)
  WRONG("NULL") return NULL;
  WRONG("abi") plugin.abi = 2;
  WRONG("old") plugin.struct_size = 8;
  WRONG("no operators") plugin.operator_count = 0;
  WRONG("operator") operators[0] = NULL;
  WRONG("operator size") op->struct_size = 8;
  WRONG("domain") op->domain = "test..wrong";
  WRONG("no domain") op->domain = NULL;
  WRONG("reserved") op->domain = "ai.onnx.ml";
  WRONG("name") op->name = "A-B";
  WRONG("version") op->version = 0;
  WRONG("opsets") op->first_opset = 3;
  WRONG("inputs") op->max_inputs = 17;
  WRONG("no outputs") op->min_outputs = 0;
  WRONG("extents") op->extent_count = 9;
  WRONG("large params") op->params = params, op->params_bytes = 300;
  WRONG("no params") op->params_bytes = 4;
  WRONG("no infer") op->infer = NULL;
  WRONG("no run") op->run = NULL;
  WRONG("no attributes") op->attributes = NULL, op->attribute_count = 1;
  WRONG("attribute") attributes[0] = NULL, op->attribute_count = 1;
  WRONG("attribute size") attribute.struct_size = 8, op->attribute_count = 1;
  WRONG("attribute name") attribute.name = "", op->attribute_count = 1;
  WRONG("attribute kind") attribute.kind = 9, op->attribute_count = 1;
  WRONG("attribute twice") op->attribute_count = 2;
  WRONG("twice") all[1].name = "W0", plugin.operator_count = 2;
  WRONG("clash") op->domain = "test.sample", op->name = "Positive";
  WRONG("many") plugin.operator_count = kMany;
  return &plugin;
}

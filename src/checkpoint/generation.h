// What those need who generate with the model of a folder, beside its tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "gguf/draft.h"

namespace monza::checkpoint {

/// `eos_token_id` of generation_config.json, or else of config.json: a number or several; none where neither says so.
/// Throws Error that names the file.
std::vector<std::int64_t> end_tokens(const std::filesystem::path& folder);

/// Says in `to` which tokens end what is generated (tokenizer.ggml.eos_token_id, and all of them in monza.end_tokens),
/// and the template of chats: chat_template.jinja, or else that of tokenizer_config.json. Throws Error that names a
/// file.
void add_generation(const std::filesystem::path& folder, gguf::Draft& to);

}  // namespace monza::checkpoint

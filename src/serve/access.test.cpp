// Tokens: which requests they let through, over HTTP, and what files of them hold.
#include "serve/access.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/temporary_folder.h"
#include "monza/error.h"
#include "support/serve_client.h"

namespace monza::serve {
namespace {

using Need = Access::Need;

TEST(Access, LetsThoseThroughWhoHaveAToken) {
  Access open, users{{"u1", "u2"}, {}}, both{{"u1"}, {"a1"}}, admins{{}, {"a1"}};
  EXPECT_TRUE(open.allows("", Need::admin));
  for (const Need need : {Need::user, Need::admin}) {
    EXPECT_TRUE(users.allows("Bearer u2", need));
    EXPECT_TRUE(users.allows("bearer u1", need));
    for (const char* wrong :
         {"", "u1", "Bearer", "Bearer ", "Bearer u", "Bearer u1u1", "Bearer u3", "Basic u1", "Bearer u1 "})
      EXPECT_FALSE(users.allows(wrong, need)) << wrong;
    EXPECT_TRUE(both.allows("Bearer a1", need));
  }
  EXPECT_TRUE(users.allows("", Need::none));
  EXPECT_TRUE(both.allows("Bearer u1", Need::user));
  EXPECT_FALSE(both.allows("Bearer u1", Need::admin));
  EXPECT_TRUE(admins.allows("", Need::user));
  EXPECT_FALSE(admins.allows("", Need::admin));
}

TEST(Access, IsAskedBeforeAnythingElse) {
  Service service({});
  service.access = {{"u1"}, {"a1"}};
  const auto status = [&](const std::string& path, const std::string& token) {
    const std::string field = token.empty() ? "" : "Authorization: Bearer " + token + "\r\n";
    return test::ServeClient(service).talk(test::http_message(path, "{}", field)).substr(9, 3);
  };
  EXPECT_EQ(status("GET /v2/health/ready", ""), "200");
  EXPECT_EQ(status("GET /v2", ""), "401");
  EXPECT_EQ(status("GET /v2", "u1"), "200");
  EXPECT_EQ(status("GET /v2/models/m", ""), "401");  // not whether there is one
  EXPECT_EQ(status("POST /v2/models/m/infer", "u2"), "401");
  EXPECT_EQ(status("POST /v2/models/m/infer", "u1"), "404");
  EXPECT_EQ(status("POST /v2/repository/models/m/load", "u1"), "401");
  EXPECT_EQ(status("POST /v2/repository/models/m/load", "a1"), "501");
  EXPECT_EQ(status("POST /v2/systemsharedmemory/region/r/register", "u1"), "401");
  const std::string refused = test::ServeClient(service).talk("GET /v2 HTTP/1.1\r\n\r\n");
  EXPECT_NE(refused.find("\r\nWWW-Authenticate: Bearer\r\n"), refused.npos) << refused;
  EXPECT_NE(refused.find(R"({"error":"this needs a token: Authorization: Bearer TOKEN"})"), refused.npos) << refused;
}

TEST(Access, ReadsFiles) {
  const TemporaryFolder folder("tokens");
  const auto read = [&](const std::string& text) {
    std::ofstream(folder.file("t")) << text;
    try {
      return fmt::format("{}", fmt::join(read_tokens(folder.file("t")), ","));
    } catch (const Error& e) {
      return e.fact() + "; " + e.hint();
    }
  };
  EXPECT_EQ(read("abc\n\n  \ndef \r\n"), "abc,def");
  EXPECT_EQ(read("\n"), fmt::format("'{}' has no token; `openssl rand -hex 32` makes one", folder.file("t")));
  EXPECT_EQ(read("abc\na b\n"),
            fmt::format("line 2 of '{}' is no token; letters, digits and signs, without spaces", folder.file("t")));
  try {
    (void)read_tokens(folder.file("none"));
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), fmt::format("'{}' cannot be read", folder.file("none")));
    EXPECT_EQ(e.hint(), "a file with a token a line, which the server's user may read");
  }
}

}  // namespace
}  // namespace monza::serve

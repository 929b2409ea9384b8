#include "serve/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <new>

#include "base/error.h"

namespace monza::serve {
namespace {

[[noreturn]] void fail_tls(const std::string& file, const char* what) {
  const unsigned long first = ERR_get_error();  // those behind it say that it happened
  const char* reason = ERR_SYSTEM_ERROR(first) ? std::strerror(ERR_GET_REASON(first)) : ERR_reason_error_string(first);
  ERR_clear_error();
  fail_hint("files of PEM that the server's user may read: --tls-cert FILE --tls-key FILE", "'{}' is no {}: {}", file,
            what, reason != nullptr ? reason : "it cannot be read");
}

}  // namespace

ssl_ctx_st* make_tls_context(const TlsFiles& files) {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (context == nullptr) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    fail_tls(files.certificate, "certificate");
  // Without a question on the terminal where the key has a password.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return -1; });
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    fail_tls(files.key, "private key of the certificate");
  return context.release();
}

std::string tls_stamp(const TlsFiles& files) {
  std::string stamp;
  for (const std::string& file : {files.certificate, files.key}) {
    std::error_code missing;
    stamp += fmt::format("{} ", std::filesystem::last_write_time(file, missing).time_since_epoch().count());
  }
  return stamp;
}

}  // namespace monza::serve

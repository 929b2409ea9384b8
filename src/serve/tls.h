// TLS of the servers: their certificate and its key.
#pragma once

#include <chrono>
#include <string>

struct ssl_ctx_st;

namespace monza::serve {

/// How often the files are looked at: what is renewed is taken for connections that come then.
inline constexpr std::chrono::seconds kTlsLook{10};

/// Files of PEM: the certificate with those that vouch for it behind it, and its private key.
struct TlsFiles {
  std::string certificate, key;
  bool given() const { return !certificate.empty(); }
};

/// What connections are made from: TLS 1.2 and later, no compression, no renegotiation. The caller frees it
/// (SSL_CTX_free). Throws Error when the files cannot be used.
ssl_ctx_st* make_tls_context(const TlsFiles& files);

/// Differs when one of the files was written anew. Thread-safe.
std::string tls_stamp(const TlsFiles& files);

}  // namespace monza::serve

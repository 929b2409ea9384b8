// TLS over a real socket, with a certificate made here; and files that are none.
#include "serve/tls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <fstream>
#include <thread>

#include "monza/error.h"
#include "serve/http_server.h"
#include "support/temporary.h"

namespace monza::serve {
namespace {

/// A key, and a certificate for 127.0.0.1 that it vouches for itself.
TlsFiles make_certificate(const test::TemporaryFolder& folder, const std::string& name) {
  const TlsFiles files{folder / (name + ".pem"), folder / (name + ".key")};
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = std::fopen(files.certificate.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(files.key.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

/// What a server says to a message, over TLS of at most that version; "" where it takes no connection.
std::string ask(int port, std::string_view message, int most = TLS1_3_VERSION) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, most);
  BIO* stream = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(stream, fmt::format("127.0.0.1:{}", port).c_str());
  std::string answer;
  if (BIO_do_connect(stream) == 1 && BIO_do_handshake(stream) == 1) {
    BIO_write(stream, message.data(), static_cast<int>(message.size()));
    char buffer[4096];
    for (int n = 0; (n = BIO_read(stream, buffer, sizeof buffer)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(n));
  }
  BIO_free_all(stream);
  SSL_CTX_free(context);
  return answer;
}

TEST(Tls, CarriesRequestsAndAnswers) {
  const test::TemporaryFolder folder;
  Service service({});
  HttpServerOptions options{.http_port = 0, .metrics_port = -1, .admin_port = 0, .tls = make_certificate(folder, "a")};
  options.drain_grace = std::chrono::milliseconds(50);
  HttpServer server(service, options);
  int cut = -1;
  std::thread thread([&] { cut = server.run(); });
  const std::string get = "GET /v2 HTTP/1.1\r\nConnection: close\r\n\r\n";
  for (int i = 0; i < 20; ++i) {
    const std::string answer = ask(server.http_port(), get);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("}")) << answer;
  }
  EXPECT_TRUE(ask(server.http_port(), get, TLS1_2_VERSION).starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(ask(server.http_port(), get, TLS1_1_VERSION), "");
  const std::string load =
      "POST /v2/repository/models/m/load HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
  EXPECT_NE(ask(server.http_port(), load).find("this is for the port of admins alone"), std::string::npos);
  EXPECT_NE(ask(server.admin_port(), load).find("501 Not Implemented"), std::string::npos) << "there is no repository";
  EXPECT_TRUE(ask(server.admin_port(), get).starts_with("HTTP/1.1 200 OK\r\n"));
  server.stop();
  thread.join();
  EXPECT_EQ(cut, 0);
}

TEST(Tls, SaysWhatIsWrongWithFiles) {
  const test::TemporaryFolder folder;
  const TlsFiles good = make_certificate(folder, "a"), other = make_certificate(folder, "b");
  const auto said = [](const TlsFiles& files) -> std::string {
    try {
      SSL_CTX_free(make_tls_context(files));
      return "";
    } catch (const Error& e) {
      EXPECT_EQ(e.hint(), "files of PEM that the server's user may read: --tls-cert FILE --tls-key FILE");
      return e.fact();
    }
  };
  EXPECT_EQ(said(good), "");
  EXPECT_EQ(said({"nowhere", good.key}), "'nowhere' is no certificate: No such file or directory");
  EXPECT_EQ(said({good.certificate, other.key}),
            fmt::format("'{}' is no private key of the certificate: key values mismatch", other.key));
  EXPECT_EQ(said({good.key, good.key}), fmt::format("'{}' is no certificate: no start line", good.key));
  const std::string before = tls_stamp(good);
  EXPECT_EQ(tls_stamp(good), before);
  std::filesystem::last_write_time(good.key, std::filesystem::last_write_time(good.key) + std::chrono::seconds(1));
  EXPECT_NE(tls_stamp(good), before);
}

}  // namespace
}  // namespace monza::serve

// What is masked in texts that leave the node, and what honestly looks like it and stays.
#include "common/secrets.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "picket/v1/agent.pb.h"

namespace picket {
namespace {

// Each with the secrets between « and »; built of parts, so that no scanner takes them for real.
std::vector<std::string> with_secrets() {
  const std::string letters = "abcdefghijABCDEFGHIJ0123456789012345";
  return {
      "psql postgres://dev:«s3cr3t-pw»@db:5432/app",
      "git clone https://oauth2:«p@ss»@git.example/x.git",
      "git clone https://«0123456789abcdef0123456789abcdef»@git.example/x",
      "curl https://hooks.slack.com/services/«T000/B000/" + letters + "»",
      "curl https://blob.example/x?sv=1&sig=«AbC%2Fd»&se=2",
      "wget https://h/?access_token=«abc123»&x=1",
      "mysql --password=«hunter2» -u root",
      "mysql -u root -p«hunter2» db",
      "psql --password «hunter2»",
      "tool --api-key «k1»",
      "env AWS_SECRET_ACCESS_KEY=«wJalr/K7MD+x» AWS_ACCESS_KEY_ID=«AKIA" + letters.substr(10, 10) +
          "012345» aws s3 ls",
      "DB_PASS=«abcd» PGPASSWORD=«xyz» MYSQL_PWD=«p» psql",
      "java -Dspring.datasource.password=«abc» -jar x",
      "AccountName=n;AccountKey=«abcd==»;EndpointSuffix",
      "curl -d {\"password\": \"«abc def»\", \"user\":\"x\"}",
      "echo 'client_secret: «abcdef»'",
      "curl -H Authorization: Bearer «abcdefghij» https://api",
      "curl -H \"Authorization: Basic «dXNlcjpwYXNz»\" https://api",
      "echo bearer «abcdefghijklmnop.q-r»",
      "curl -H X-Api-Key: «12345abcde» h",
      "curl -H PRIVATE-TOKEN: «12345abcde» h",
      "curl -H 'Cookie: «sid=12345»' h",
      "curl --cookie «session=abc» h",
      "curl -u admin:«pa55» https://h",
      "curl -uadmin:«pa55» https://h",
      "sshpass -p «hunter2» ssh h",
      "redis-cli -h x -a «foobared» ping",
      "openssl rsa -in k -passin pass:«hunter2»",
      "echo «ghp_" + letters + "»",
      "echo «github_pat_" + letters + "»",
      "echo «glpat-" + letters.substr(0, 20) + "»",
      "npm config set //registry.npmjs.org/:_authToken=«npm_" + letters + "»",
      "echo «sk-proj-" + letters + "»",
      "echo «sk-ant-api03-" + letters + "»",
      "echo «sk-" + letters + "»",
      "echo «sk_live_" + letters + "»",
      "echo «xoxb-" + letters + "»",
      "echo «AIza" + letters.substr(1) + "»",
      "echo «hf_" + letters + "»",
      "echo «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_def-123»",
      "echo -----BEGIN OPENSSH PRIVATE KEY-----« b3Bl\nbnNz »-----END OPENSSH PRIVATE KEY-----",
      "echo -----BEGIN RSA PRIVATE KEY-----« b3Blbn and cut off»",
  };
}

constexpr const char* kHonest[] = {
    "git checkout 3f786850e387550fdab836ed7e6dc881de23b001",
    "docker pull x@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "git clone git@github.com:org/repo.git",
    "git clone ssh://git@host:22/org/repo",
    "curl https://user@host:8080/path",
    "cat /home/dev/secrets/token/file --token-file=/run/secrets/token",
    "cat /etc/passwd /etc/shadow",
    "docker run -u 1000:1000 -v /etc/passwd:/etc/passwd:ro image",
    "docker build --secret id=npmrc,src=/home/dev/.npmrc .",
    "docker login --password-stdin registry.example",
    "kubectl create secret generic app",
    "TOKENIZERS_PARALLELISM=false PWD=/home/dev OLDPWD=/x GIT_ASKPASS=/usr/bin/echo make",
    "PASSWORD_STORE_DIR=/home/dev/.pass pass show x",
    "x264 --pass 1 --crf 22",
    "sh -c vault login --token $TOKEN",
    "tool --password=%PASSWORD% --csrf-token=true",
    "python3 -m pip install tokenizers==0.15.0 secretstorage==3.3.3",
    "cargo test token::tests::password_hash",
    "make CC=gcc KEY=1 V=1",
    "tar czf sk-learn-something-very-long-name-here.tgz",
    "ssh-keygen -t ed25519 -f /home/dev/.ssh/id_ed25519",
    "private key: /home/dev/.ssh/id_ed25519",
    "npm_config_cache=/home/dev/.npm npm ci",
    "-----BEGIN CERTIFICATE----- MIIB -----END CERTIFICATE-----",
    "",
};

TEST(Secrets, AreMaskedAndNothingElseIs) {
  for (const std::string& marked : with_secrets()) {
    std::string text, expected;
    size_t from = 0;
    for (size_t open; (open = marked.find("«", from)) != std::string::npos;) {
      const size_t begin = open + 2, end = marked.find("»", begin);
      text += marked.substr(from, open - from) + marked.substr(begin, end - begin);
      expected += marked.substr(from, open - from) + std::string(kMask);
      from = end + 2;
    }
    text += marked.substr(from);
    expected += marked.substr(from);
    const auto masked = mask_secrets(text);
    ASSERT_TRUE(masked.has_value()) << text;
    EXPECT_EQ(*masked, expected);
    EXPECT_FALSE(mask_secrets(*masked)) << "twice is once: " << *masked;
  }
}

TEST(Secrets, HonestTextsStay) {
  for (const char* text : kHonest) EXPECT_EQ(mask_secrets(text).value_or("none"), "none") << text;
}

TEST(Secrets, AnyBytesAreTaken) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_FALSE(mask_secrets(bytes));
  EXPECT_EQ(mask_secrets(bytes + " --password=\xff\xfe").value_or(""),
            bytes + " --password=[masked]");
}

TEST(Secrets, AreMaskedWhereverAnEnvelopeHasTexts) {
  const std::string said = "run --password=hunter2", left = "run --password=[masked]";
  v1::Envelope envelope;
  v1::Alert& alert = *envelope.mutable_alert();
  alert.set_id("3f786850e387550fdab836ed7e6dc881");
  alert.set_output(said);
  alert.mutable_process()->set_cmdline(said);
  alert.add_lineage()->set_cmdline(said);
  alert.add_steps()->mutable_process()->set_cmdline(said);
  (*alert.mutable_fields())["proc.args"] = said;
  (*alert.mutable_workspace()->mutable_labels())["how"] = said;
  const size_t size = alert.ByteSizeLong();
  mask_secrets(envelope);
  EXPECT_EQ(alert.SerializeAsString().find("hunter2"), std::string::npos);
  EXPECT_EQ(alert.output(), left);
  EXPECT_EQ(alert.fields().at("proc.args"), left);
  EXPECT_EQ(alert.id(), "3f786850e387550fdab836ed7e6dc881");
  EXPECT_EQ(alert.ByteSizeLong(), size + 6 * (kMask.size() - 7));
  v1::Envelope session;
  session.mutable_session()->mutable_commands()->add_entries()->set_text(said);
  mask_secrets(session);
  EXPECT_EQ(session.session().commands().entries(0).text(), left);
}

}  // namespace
}  // namespace picket

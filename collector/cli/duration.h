// Times as picketctl's options take them: 30s, 10m, 2h, 1d. Pure functions. What is none is said in
// words.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace picket {

// `--since`, checked.
CLI::Option* add_since(CLI::App& command, std::string& since, const std::string& help);
// So long before now. false: there was none.
bool set_since(const std::string& since, google::protobuf::Timestamp& time);

}  // namespace picket

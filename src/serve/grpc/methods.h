// The methods of KServe v2 over gRPC but for inferences: messages in, messages out. Knows no sockets.
#pragma once

#include <string>
#include <string_view>

#include "serve/service.h"

namespace monza::serve {

/// "/inference.GRPCInferenceService/ModelInfer" and "/.../ModelStreamInfer", which RpcInference answers.
inline constexpr std::string_view kInferMethod = "/inference.GRPCInferenceService/ModelInfer";
inline constexpr std::string_view kStreamMethod = "/inference.GRPCInferenceService/ModelStreamInfer";

/// Answers a method by its path. Throws RequestError; 501 for what is not served.
std::string answer_rpc(Service& service, std::string_view method, std::string_view request);

/// Of RepositoryModelLoad and RepositoryModelUnload: begins it; `done` is told of the end, on any thread. False: it is
/// another method. Throws RequestError.
bool change_models_rpc(Service& service, std::string_view method, std::string_view request, ModelControl::Done done);

/// What a caller of the method must be.
Access::Need need_of_rpc(std::string_view method);

/// The number of gRPC's status for one that RequestError has.
int rpc_code(int status);

}  // namespace monza::serve

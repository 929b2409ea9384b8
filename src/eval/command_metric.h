// A score that a program of the user's computes from a model's outputs.
#pragma once

#include <memory>
#include <string>

#include "eval/data_set.h"
#include "eval/unlabelled.h"

namespace monza::eval {

/// Writes what an engine computes of each sample into a new folder, as NUMBER-NAME.npz with the outputs by their names
/// (NUMBER counts the samples from 000000, NAME is that of the sample's file), and runs `command FOLDER` by the shell.
/// The last word that it prints is the score, higher is better, in whatever unit. The folder is removed afterwards.
/// measure() throws Error when the command fails or prints no number.
std::unique_ptr<DataSet> open_command_metric(OpenSamples open, std::string command);

}  // namespace monza::eval

//===- Openings.cpp - Beginnings of texts for a model to go on ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/calibration/Openings.h"

static constexpr std::string_view kTexts[] = {
    "The old train left the valley before sunrise, and nobody on the platform noticed that",
    "#include <stdio.h>\n\n/* Counts the words of a file. */\nint main(int argc, char **argv) {\n "
    " ",
    "Question: Why does ice float on water?\nAnswer: ",
    "Instructions for baking a simple bread:\n1. Mix 500 g of flour with",
    "In mathematics, a prime number is a natural number greater than one that",
    "Dear neighbours,\nnext Saturday we would like to invite all of you to",
    "import json\nimport sys\n\n\nclass Inventory:\n    \"\"\"Keeps count of items by "
    "name.\"\"\"\n\n    def __init__(self",
    "User: Can you help me to write a short story about a robot who learns to paint?\nAssistant:",
    "The history of the city goes back to the twelfth century, when merchants from the north",
    "<!DOCTYPE html>\n<html>\n<head><title>Opening hours</title></head>\n<body>\n<h1>",
    "Es war einmal ein kleines Dorf am Rand eines tiefen Waldes, in dem",
    "Les plantes ont besoin de lumière et d'eau pour",
    "Scientists have found that regular sleep improves memory. In a study of 240 adults,",
    "{\"orders\": [{\"id\": 1041, \"customer\": \"M. Lindqvist\", \"total\": 87.20, \"items\": [",
    "Sarah has 12 apples. She gives a third of them to her brother and buys 5 more. How many "
    "apples",
    "Había una vez un marinero que conocía todas las islas del",
    "The defendant argued that the contract was not valid because",
    "Once the patient has been examined, the doctor should ask about",
    "| Year | Revenue | Profit |\n|---|---|---|\n| 2019 | 4.1 million |",
    "Summary: The article explains how vaccines train the immune system. First,",
    "\"I never said that,\" she answered, and put the letter back into",
    "SELECT name, COUNT(*) FROM visits WHERE year = 2021 GROUP BY",
    "To install the program, open a terminal and type the following commands:\n$ ",
    "The sun is a star at the centre of our solar system. Its energy comes from",
};

const llvm::ArrayRef<std::string_view> tenon::compiler::kOpenings(kTexts);

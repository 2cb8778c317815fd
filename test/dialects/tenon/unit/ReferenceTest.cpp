//===- ReferenceTest.cpp - Reference evaluation against numpy -------------===//
// SPDX-License-Identifier: Apache-2.0
//
// reference_cases.json holds functions, inputs and what numpy makes of them in float64
// (make_reference_cases.py). A case's error is relative to the largest output.
//

#include "TestModule.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::tenon;

namespace {

const llvm::json::Array &allCases() {
  static const llvm::json::Value cases = [] {
    auto file = llvm::MemoryBuffer::getFile(TENON_REFERENCE_CASES);
    auto parsed = llvm::json::parse(file ? (*file)->getBuffer() : "");
    return parsed ? std::move(*parsed) : llvm::json::Value(llvm::json::Array());
  }();
  return *cases.getAsArray();
}

template <typename T> std::vector<T> numbers(const llvm::json::Object &object, StringRef key) {
  std::vector<T> result;
  if (const llvm::json::Array *array = object.getArray(key))
    for (const llvm::json::Value &value : *array)
      result.push_back(static_cast<T>(*value.getAsNumber()));
  return result;
}

HostTensor tensorOf(const llvm::json::Object &object) {
  const std::vector<int64_t> shape = numbers<int64_t>(object, "shape");
  if (object.get("i32"))
    return HostTensor::ints(shape, numbers<int32_t>(object, "i32"));
  return HostTensor::floats(shape, numbers<float>(object, "f32"));
}

class ReferenceCase : public testing::TestWithParam<size_t> {};

TEST_P(ReferenceCase, agreesWithNumpy) {
  const llvm::json::Object &test = *allCases()[GetParam()].getAsObject();
  test::TestModule module(*test.getString("module"));
  ASSERT_TRUE(module.module);

  std::optional<HostKvCache> cache;
  SmallVector<HostTensor> inputs;
  for (const llvm::json::Value &value : *test.getArray("inputs")) {
    const llvm::json::Object &input = *value.getAsObject();
    if (input.get("kv")) {
      const std::vector<int64_t> sizes = numbers<int64_t>(input, "kv");
      cache.emplace(sizes[0], sizes[1], sizes[2],
                    *input.getBoolean("f16") ? KvPrecision::F16 : KvPrecision::F32);
      inputs.push_back(HostTensor::kv(*cache, 0));
    } else {
      inputs.push_back(tensorOf(input));
    }
  }
  ReferenceContext context;
  context.positions = numbers<int32_t>(test, "positions");
  context.sequences = numbers<int32_t>(test, "sequences");

  ReferenceInterpreter interpreter(*module.module, {});
  auto results = interpreter.run("f", inputs, context);
  ASSERT_TRUE(succeeded(results));
  const llvm::json::Array &outputs = *test.getArray("outputs");
  ASSERT_EQ(results->size(), outputs.size());
  for (auto [result, output] : llvm::zip_equal(*results, outputs)) {
    const HostTensor wanted = tensorOf(*output.getAsObject());
    ASSERT_EQ(result.shape(), wanted.shape());
    float largest = 0;
    for (float value : wanted.floats())
      largest = std::max(largest, std::fabs(value));
    const float tolerance = static_cast<float>(*test.getNumber("tolerance")) * largest;
    for (auto [i, value] : llvm::enumerate(result.floats()))
      ASSERT_NEAR(value, wanted.floats()[i], tolerance) << "element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Numpy, ReferenceCase, testing::Range<size_t>(0, allCases().size()),
                         [](const testing::TestParamInfo<size_t> &info) {
                           std::string name =
                               allCases()[info.param].getAsObject()->getString("name")->str();
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(ReferenceCases, areThere) { EXPECT_GE(allCases().size(), 25u); }

TEST(Reference, readsStoredWeightsThroughTheirReader) {
  test::TestModule module(R"mlir(
    tenon.weight @w : tensor<2x32xf32, #tenon.blocks<q8_0>>
    func.func @f(%x: tensor<?x32xf32>) -> tensor<?x2xf32> {
      %w = tenon.param @w : tensor<2x32xf32, #tenon.blocks<q8_0>>
      %0 = tenon.linear %x, %w : (tensor<?x32xf32>, tensor<2x32xf32, #tenon.blocks<q8_0>>) -> tensor<?x2xf32>
      return %0 : tensor<?x2xf32>
    })mlir");
  ASSERT_TRUE(module.module);
  std::string asked;
  ReferenceContext context;
  context.weights = [&](StringRef symbol, RankedTensorType type) -> FailureOr<RowReader> {
    asked = symbol.str();
    EXPECT_EQ(weightFormat(type), ::tenon::WeightFormat::Q8_0);
    return RowReader([](int64_t row, MutableArrayRef<float> out) {
      std::fill(out.begin(), out.end(), row == 0 ? 0.5f : -1.0f);
    });
  };
  ReferenceInterpreter interpreter(*module.module, {});
  auto results =
      interpreter.run("f", HostTensor::floats({1, 32}, std::vector<float>(32, 2.0f)), context);
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(asked, "w");
  EXPECT_EQ(results->front().floats(), ArrayRef<float>({32.0f, -64.0f}));
}

TEST(Reference, readsTheValueThatAWeightCarries) {
  test::TestModule module(R"mlir(
    tenon.weight @f : tensor<3xf32> = dense<[1.0, 0.5, 0.25]> : tensor<3xf32>
    func.func @f_of() -> tensor<3xf32> {
      %0 = tenon.param @f : tensor<3xf32>
      return %0 : tensor<3xf32>
    })mlir");
  ASSERT_TRUE(module.module);
  ReferenceContext context;
  auto results = ReferenceInterpreter(*module.module, {}).run("f_of", {}, context);
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(results->front().floats(), ArrayRef<float>({1.0f, 0.5f, 0.25f}));
}

TEST(Reference, refusesAnIdOutsideTheTable) {
  test::TestModule module(R"mlir(
    func.func @f(%i: tensor<?xi32>, %t: tensor<4x2xf32>) -> tensor<?x2xf32> {
      %0 = tenon.embed %i, %t : (tensor<?xi32>, tensor<4x2xf32>) -> tensor<?x2xf32>
      return %0 : tensor<?x2xf32>
    })mlir");
  ASSERT_TRUE(module.module);
  std::string error;
  ScopedDiagnosticHandler handler(&module.context,
                                  [&](Diagnostic &diagnostic) { error = diagnostic.str(); });
  ReferenceContext context;
  HostTensor table = HostTensor::floats({4, 2}, std::vector<float>(8));
  auto results = ReferenceInterpreter(*module.module, {})
                     .run("f", {HostTensor::ints({1}, {4}), table}, context);
  EXPECT_TRUE(failed(results));
  EXPECT_NE(error.find("token id 4 is not below the 4 rows of the table"), std::string::npos)
      << error;
}

} // namespace

# Lit settings of Tenon. Tests are read from the source tree, results go to the build tree.
import os

import lit.formats

config.name = "tenon"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.join(config.tenon_source, "test")
config.test_exec_root = os.path.join(config.tenon_build, "test", "lit")
# "lit" is this folder: without that its lit.cfg.py would be taken for a second suite.
config.excludes = ["data", "corpus", "fuzz", "oracle", "lit", "Inputs"]
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.tenon_build, "bin"), config.llvm_tools, os.environ.get("PATH", "")]
)
config.substitutions.append(("%tenon_source", config.tenon_source))

# The real models, where set-up has brought them: `REQUIRES: smollm2`.
models = os.environ.get("TENON_MODELS", os.path.expanduser("~/models"))
config.substitutions.append(("%models", models))
try:
    if "avx2" in open("/proc/cpuinfo").read():
        config.available_features.add("native-avx2")
except OSError:
    pass
for feature, file in [
    ("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    ("gemma3", "gemma-3-270m-q4_k_m.gguf"),
]:
    if os.path.exists(os.path.join(models, file)):
        config.available_features.add(feature)

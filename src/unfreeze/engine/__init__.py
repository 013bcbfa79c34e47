"""An inference engine for what a framework only infers with: the frozen prefix on a CPU. No framework here.

`openvino` takes a converted network and runs it on pictures or on activations; a backend converts its own. Without the
package openvino (the extra `unfreeze[fast]`), or with UNFREEZE_ENGINE=off, the framework's own path runs.
"""

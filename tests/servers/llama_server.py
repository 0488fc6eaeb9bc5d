"""llama.cpp's own server with the embedded model, until stdin is closed: `python llama_server.py GGUF PORT KEY GRAMMAR`.

With a grammar every reply is what that allows, so that a test knows it beforehand.
"""

import sys

import xllamacpp


def main(gguf_file: str, port: str, key: str, grammar: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = gguf_file, {"smollm2"}
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], int(port), [key]
    params.n_ctx, params.n_parallel, params.warmup = 1024, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if grammar:
        own = params.sampling.grammar
        own.type, own.grammar = xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER, grammar
        params.sampling.grammar = own
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

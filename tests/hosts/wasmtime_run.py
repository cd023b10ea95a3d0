"""Runs a WASI command under wasmtime with this machine's files in reach: wasmtime_run.py FILE.wasm [ARGUMENT ...]"""
import sys

from wasmtime import Config, Engine, ExitTrap, Linker, Module, Store, WasiConfig

config = Config()
config.wasm_relaxed_simd = True
engine = Engine(config)
linker = Linker(engine)
linker.define_wasi()
wasi = WasiConfig()
wasi.argv = sys.argv[1:]
wasi.preopen_dir("/", "/")
wasi.inherit_stdin()
wasi.inherit_stdout()
wasi.inherit_stderr()
store = Store(engine)
store.set_wasi(wasi)
instance = linker.instantiate(store, Module.from_file(engine, sys.argv[1]))
try:
    instance.exports(store)["_start"](store)
except ExitTrap as trap:
    sys.exit(trap.code)

# Toolchain file for WASI: the WASI SDK named by WASI_SDK_PATH, else clang with Debian's wasi-libc.
#
# Linking calls wasm-ld itself: the clang driver runs whatever wasm-opt it finds in PATH, and an old one writes
# relaxed SIMD in opcodes that no engine knows.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(SOTTO_WASI ON)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_EXECUTABLE_SUFFIX .wasm)

if(DEFINED ENV{WASI_SDK_PATH})
  set(wasi_bin "$ENV{WASI_SDK_PATH}/bin")
  set(wasi_sysroot "$ENV{WASI_SDK_PATH}/share/wasi-sysroot")
  find_program(wasi_clang clang PATHS "${wasi_bin}" NO_DEFAULT_PATH REQUIRED)
  find_program(wasi_ld wasm-ld PATHS "${wasi_bin}" NO_DEFAULT_PATH REQUIRED)
  find_program(wasi_ar llvm-ar PATHS "${wasi_bin}" NO_DEFAULT_PATH REQUIRED)
  find_program(wasi_ranlib llvm-ranlib PATHS "${wasi_bin}" NO_DEFAULT_PATH REQUIRED)
else()
  set(wasi_sysroot "/usr")
  find_program(wasi_clang NAMES clang-19 clang REQUIRED)
  find_program(wasi_ld NAMES wasm-ld-19 wasm-ld REQUIRED)
  find_program(wasi_ar NAMES llvm-ar-19 llvm-ar REQUIRED)
  find_program(wasi_ranlib NAMES llvm-ranlib-19 llvm-ranlib REQUIRED)
endif()

# Newer SDKs name the same target wasm32-wasip1.
set(wasi_target wasm32-wasi)
if(NOT EXISTS "${wasi_sysroot}/lib/${wasi_target}/crt1-command.o")
  set(wasi_target wasm32-wasip1)
endif()
if(NOT EXISTS "${wasi_sysroot}/lib/${wasi_target}/crt1-command.o")
  message(FATAL_ERROR "No WASI C library in ${wasi_sysroot}: install wasi-libc or set WASI_SDK_PATH.")
endif()
execute_process(COMMAND "${wasi_clang}" --target=${wasi_target} -print-libgcc-file-name
                OUTPUT_VARIABLE wasi_builtins OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT EXISTS "${wasi_builtins}")
  message(FATAL_ERROR "clang's WebAssembly builtins are missing (${wasi_builtins}): install libclang-rt-19-dev-wasm32.")
endif()

set(CMAKE_C_COMPILER "${wasi_clang}")
set(CMAKE_C_COMPILER_TARGET ${wasi_target})
set(CMAKE_AR "${wasi_ar}" CACHE FILEPATH "")
set(CMAKE_RANLIB "${wasi_ranlib}" CACHE FILEPATH "")
set(CMAKE_C_FLAGS_INIT "-isystem ${wasi_sysroot}/include/${wasi_target}")
set(wasi_lib "${wasi_sysroot}/lib/${wasi_target}")
# 1 MiB of stack, placed below the data so that an overflow traps; memory may grow to the full 4 GiB.
set(CMAKE_C_LINK_EXECUTABLE
    "${wasi_ld} ${wasi_lib}/crt1-command.o <OBJECTS> <LINK_LIBRARIES> -L${wasi_lib} -lc ${wasi_builtins} --gc-sections --strip-debug --stack-first -z stack-size=1048576 --max-memory=4294967296 -o <TARGET>")

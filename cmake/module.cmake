# The modules for js/: core and the flat exports of wasm/, without any generated JavaScript. Each imports
# env.memory (shared, created by js/ with the size the model needs) and env.now, and nothing else.
#
# -nostdlib leaves out Emscripten's runtime, and naming shared memory to the linker instead of using -pthread its
# thread glue. Data segments become passive; the first instance on a memory initialises them.
sotto_variants(module)
file(GLOB export_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/wasm/*.c")
if(NOT export_sources)
  message(FATAL_ERROR "wasm/ has no exports to build")
endif()

# The wasm-opt that belongs to this emcc: another in PATH may be too old to read relaxed SIMD.
find_program(em_config em-config REQUIRED HINTS "${EMSCRIPTEN_ROOT_PATH}")
execute_process(COMMAND "${em_config}" BINARYEN_ROOT OUTPUT_VARIABLE binaryen
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
find_program(WASM_OPT wasm-opt REQUIRED PATHS "${binaryen}/bin" NO_DEFAULT_PATH)
set(wasm_features --enable-simd --enable-threads --enable-bulk-memory --enable-mutable-globals
    --enable-nontrapping-float-to-int --enable-sign-ext)

sotto_small_where_cold()

set(dist "${CMAKE_SOURCE_DIR}/wasm/dist")
file(MAKE_DIRECTORY "${dist}")
foreach(name ${variant_names})
  add_executable(${name} ${core_sources} ${export_sources})
  set_target_properties(${name} PROPERTIES SUFFIX .raw.wasm)
  target_include_directories(${name} PRIVATE core)
  target_compile_options(${name} PRIVATE ${sotto_flags} ${variant_${name}_flags} -matomics -mbulk-memory)
  target_link_options(${name} PRIVATE -O3 -nostdlib -nostartfiles --no-entry
    -Wl,--import-memory,--shared-memory,--export=__stack_pointer,--export=__heap_base
    -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4gb -sINITIAL_HEAP=0 -sSTACK_SIZE=256kb)
  target_link_libraries(${name} PRIVATE c-mt compiler_rt-mt)
  set(features ${wasm_features})
  if("-mrelaxed-simd" IN_LIST variant_${name}_flags)
    list(APPEND features --enable-relaxed-simd)
  endif()
  add_custom_command(OUTPUT "${dist}/${name}.wasm"
    COMMAND "${WASM_OPT}" -O3 ${features} "$<TARGET_FILE:${name}>" -o "${CMAKE_BINARY_DIR}/${name}.wasm"
    COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${CMAKE_BINARY_DIR}/${name}.wasm" "${dist}/${name}.wasm"
    COMMAND "${CMAKE_COMMAND}" -E touch "${dist}/${name}.wasm"
    DEPENDS ${name} VERBATIM)
  list(APPEND modules "${dist}/${name}.wasm")
endforeach()
add_custom_target(modules ALL DEPENDS ${modules})

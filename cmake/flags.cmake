# The flags that every build has. Products and sums are never fused and float rules are never relaxed: the same
# input gives the same bits in every build.
set(sotto_flags -ffp-contract=off -fno-math-errno -Wall -Wextra)
if(SOTTO_WERROR)
  list(APPEND sotto_flags -Werror)
endif()
if(NOT SOTTO_ASSERTS)
  list(APPEND sotto_flags -DNDEBUG)
endif()

# CMake's own Release flags bring -O3 -DNDEBUG; the level is set here alone so that presets say what they mean.
set(CMAKE_C_FLAGS_RELEASE "")
if(EMSCRIPTEN OR SOTTO_WASI)
  list(APPEND sotto_flags -O3)
elseif(SOTTO_SANITIZE)
  list(APPEND sotto_flags -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined
       -fno-sanitize-recover=all)
else()
  list(APPEND sotto_flags -O2 -g1)
endif()

# Visitors download the modules: what is not in the innermost loops is compiled for size there.
function(sotto_small_where_cold)
  set(cold ${core_sources})
  list(FILTER cold EXCLUDE REGEX "/core/(kern/|base/(fmath|pool|sync))")
  set(scalar ${core_sources})
  list(FILTER scalar INCLUDE REGEX "/core/kern/[a-z]+_scalar\\.c$")
  set_property(SOURCE ${cold} ${scalar} APPEND PROPERTY COMPILE_OPTIONS -Os)
endfunction()

/* Vector words: 128 bits, the same meaning everywhere.
 *
 * On WebAssembly they are single SIMD128 instructions; elsewhere gcc's and clang's vector extensions
 * (correct and the same bits; speed is no goal there). v_ words take bits, vf_ four floats, vi_ four
 * int32, vh_ eight int16, vb_ sixteen int8. Nothing here fuses a product and a sum.
 */
#ifndef SOTTO_KERN_SIMD_H
#define SOTTO_KERN_SIMD_H

#include <stdint.h>
#include <string.h>

/* Functions that take constants of their callers, and loops that V8 is to see as loops, or not. */
#define V_INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define V_ROLLED _Pragma("clang loop unroll(disable)")
#define V_UNROLLED _Pragma("clang loop unroll(full)")
#else
#define V_ROLLED _Pragma("GCC unroll 1")
#define V_UNROLLED _Pragma("GCC unroll 16")
#endif

/* In a loop: pointers that stay what they are. Else LLVM derives them from the loop's counter, and every load has an
 * addition of its own where the offset could be part of the instruction. */
#define V_POINTERS(w, a) __asm__ volatile("" : "+r"(w), "+r"(a))

#if defined(__wasm_simd128__)
#define KERN_SIMD128 1
#include <wasm_simd128.h>

typedef v128_t v128;

#define V_SHUFFLE32(a, b, i, j, k, l) wasm_i32x4_shuffle(a, b, i, j, k, l)
#define V_SHUFFLE16(a, b, ...) wasm_i16x8_shuffle(a, b, __VA_ARGS__)
#define V_SHUFFLE8(a, b, ...) wasm_i8x16_shuffle(a, b, __VA_ARGS__)
#define vf_lane(a, i) wasm_f32x4_extract_lane(a, i)
#define vi_lane(a, i) wasm_i32x4_extract_lane(a, i)
#define vh_lane(a, i) wasm_i16x8_extract_lane(a, i)
#define vb_lane(a, i) wasm_i8x16_extract_lane(a, i)

static inline v128 v_load(const void *p) { return wasm_v128_load(p); }
static inline void v_store(void *p, v128 a) { wasm_v128_store(p, a); }
static inline v128 v_load_splat32(const void *p) { return wasm_v128_load32_splat(p); }
static inline v128 v_load_splat64(const void *p) { return wasm_v128_load64_splat(p); }
static inline v128 v_load_splat8(const void *p) { return wasm_v128_load8_splat(p); }
static inline v128 v_load64(const void *p) { return wasm_v128_load64_zero(p); } /* high half zero */
static inline v128 v_load32(const void *p) { return wasm_v128_load32_zero(p); } /* the rest zero */
/* parts from several places, the first lowest */
static inline v128 v_load64x2(const void *a, const void *b) { return wasm_v128_load64_lane(b, v_load64(a), 1); }
static inline v128 v_load32x4(const void *a, const void *b, const void *c, const void *d) {
    v128 x = wasm_v128_load32_lane(b, v_load32(a), 1);
    return wasm_v128_load32_lane(d, wasm_v128_load32_lane(c, x, 2), 3);
}
static inline void v_store64(void *p, v128 a) { wasm_v128_store64_lane(p, a, 0); }
static inline v128 vh_load8x8_s(const void *p) { return wasm_i16x8_load8x8(p); }
static inline v128 vh_load8x8_u(const void *p) { return wasm_u16x8_load8x8(p); }
static inline v128 vi_load16x4_s(const void *p) { return wasm_i32x4_load16x4(p); }
static inline v128 vi_load16x4_u(const void *p) { return wasm_u32x4_load16x4(p); }
static inline v128 v_zero(void) { return wasm_i32x4_const_splat(0); }
static inline v128 v_and(v128 a, v128 b) { return wasm_v128_and(a, b); }
static inline v128 v_or(v128 a, v128 b) { return wasm_v128_or(a, b); }
static inline v128 v_xor(v128 a, v128 b) { return wasm_v128_xor(a, b); }
static inline v128 v_andnot(v128 a, v128 b) { return wasm_v128_andnot(a, b); } /* a & ~b */
static inline v128 v_select(v128 mask, v128 a, v128 b) { return wasm_v128_bitselect(a, b, mask); } /* mask ? a : b */

static inline v128 vf_splat(float a) { return wasm_f32x4_splat(a); }
static inline v128 vf_add(v128 a, v128 b) { return wasm_f32x4_add(a, b); }
static inline v128 vf_sub(v128 a, v128 b) { return wasm_f32x4_sub(a, b); }
static inline v128 vf_mul(v128 a, v128 b) { return wasm_f32x4_mul(a, b); }
static inline v128 vf_div(v128 a, v128 b) { return wasm_f32x4_div(a, b); }
static inline v128 vf_pmax(v128 a, v128 b) { return wasm_f32x4_pmax(a, b); } /* a < b ? b : a */
static inline v128 vf_pmin(v128 a, v128 b) { return wasm_f32x4_pmin(a, b); } /* b < a ? b : a */
static inline v128 vf_abs(v128 a) { return wasm_f32x4_abs(a); }
static inline v128 vf_neg(v128 a) { return wasm_f32x4_neg(a); }
static inline v128 vf_sqrt(v128 a) { return wasm_f32x4_sqrt(a); }
static inline v128 vf_lt(v128 a, v128 b) { return wasm_f32x4_lt(a, b); }
static inline v128 vf_le(v128 a, v128 b) { return wasm_f32x4_le(a, b); }
static inline v128 vf_gt(v128 a, v128 b) { return wasm_f32x4_gt(a, b); }
static inline v128 vf_eq(v128 a, v128 b) { return wasm_f32x4_eq(a, b); }
static inline v128 vf_from_i(v128 a) { return wasm_f32x4_convert_i32x4(a); }

static inline v128 vi_splat(int32_t a) { return wasm_i32x4_splat(a); }
static inline v128 vi_add(v128 a, v128 b) { return wasm_i32x4_add(a, b); }
static inline v128 vi_sub(v128 a, v128 b) { return wasm_i32x4_sub(a, b); }
static inline v128 vi_mul(v128 a, v128 b) { return wasm_i32x4_mul(a, b); }
static inline v128 vi_shl(v128 a, int n) { return wasm_i32x4_shl(a, (uint32_t)n); }
static inline v128 vi_shr(v128 a, int n) { return wasm_i32x4_shr(a, (uint32_t)n); }   /* arithmetic */
static inline v128 vi_shr_u(v128 a, int n) { return wasm_u32x4_shr(a, (uint32_t)n); }
static inline v128 vi_eq(v128 a, v128 b) { return wasm_i32x4_eq(a, b); }
static inline v128 vi_gt(v128 a, v128 b) { return wasm_i32x4_gt(a, b); }
static inline v128 vi_from_h_low(v128 a) { return wasm_i32x4_extend_low_i16x8(a); }
static inline v128 vi_from_h_high(v128 a) { return wasm_i32x4_extend_high_i16x8(a); }
static inline v128 vi_from_hu_low(v128 a) { return wasm_u32x4_extend_low_u16x8(a); }
static inline v128 vi_from_hu_high(v128 a) { return wasm_u32x4_extend_high_u16x8(a); }
static inline v128 vi_pair_sum(v128 a) { return wasm_i32x4_extadd_pairwise_i16x8(a); } /* a[2i] + a[2i+1] */
/* a[2i] * b[2i] + a[2i+1] * b[2i+1] of int16 */
static inline v128 vi_dot_h(v128 a, v128 b) { return wasm_i32x4_dot_i16x8(a, b); }

static inline v128 vh_splat(int16_t a) { return wasm_i16x8_splat(a); }
static inline v128 vh_add(v128 a, v128 b) { return wasm_i16x8_add(a, b); }
static inline v128 vh_sub(v128 a, v128 b) { return wasm_i16x8_sub(a, b); }
static inline v128 vh_mul(v128 a, v128 b) { return wasm_i16x8_mul(a, b); }
static inline v128 vh_shl(v128 a, int n) { return wasm_i16x8_shl(a, (uint32_t)n); }
static inline v128 vh_shr(v128 a, int n) { return wasm_i16x8_shr(a, (uint32_t)n); }
static inline v128 vh_shr_u(v128 a, int n) { return wasm_u16x8_shr(a, (uint32_t)n); }
static inline v128 vh_from_b_low(v128 a) { return wasm_i16x8_extend_low_i8x16(a); }
static inline v128 vh_from_b_high(v128 a) { return wasm_i16x8_extend_high_i8x16(a); }
static inline v128 vh_from_bu_low(v128 a) { return wasm_u16x8_extend_low_u8x16(a); }
static inline v128 vh_from_bu_high(v128 a) { return wasm_u16x8_extend_high_u8x16(a); }
static inline v128 vh_pair_sum(v128 a) { return wasm_i16x8_extadd_pairwise_i8x16(a); }
/* int32 to int16 and int16 to int8 with saturation; a gives the low half */
static inline v128 vh_narrow(v128 a, v128 b) { return wasm_i16x8_narrow_i32x4(a, b); }
static inline v128 vb_narrow(v128 a, v128 b) { return wasm_i8x16_narrow_i16x8(a, b); }

static inline v128 vb_splat(int8_t a) { return wasm_i8x16_splat(a); }
static inline v128 vb_add(v128 a, v128 b) { return wasm_i8x16_add(a, b); }
static inline v128 vb_sub(v128 a, v128 b) { return wasm_i8x16_sub(a, b); }
static inline v128 vb_max(v128 a, v128 b) { return wasm_i8x16_max(a, b); }
static inline v128 vb_abs(v128 a) { return wasm_i8x16_abs(a); }
static inline v128 vb_eq(v128 a, v128 b) { return wasm_i8x16_eq(a, b); }
/* index 0 .. 15 */
#ifdef __wasm_relaxed_simd__
static inline v128 vb_lookup(v128 table, v128 index) { return wasm_i8x16_relaxed_swizzle(table, index); }
#else
static inline v128 vb_lookup(v128 table, v128 index) { return wasm_i8x16_swizzle(table, index); }
#endif

#elif defined(__GNUC__)
#define KERN_SIMD128 1

typedef int32_t v128 __attribute__((vector_size(16)));
typedef uint32_t v_u32 __attribute__((vector_size(16)));
typedef float v_f32 __attribute__((vector_size(16)));
typedef int16_t v_i16 __attribute__((vector_size(16)));
typedef uint16_t v_u16 __attribute__((vector_size(16)));
typedef int8_t v_i8 __attribute__((vector_size(16)));
typedef uint8_t v_u8 __attribute__((vector_size(16)));
typedef int16_t v_i16x4 __attribute__((vector_size(8)));
typedef uint16_t v_u16x4 __attribute__((vector_size(8)));
typedef int8_t v_i8x8 __attribute__((vector_size(8)));
typedef uint8_t v_u8x8 __attribute__((vector_size(8)));

#define V_SHUFFLE32(a, b, i, j, k, l) __builtin_shufflevector((v128)(a), (v128)(b), i, j, k, l)
#define V_SHUFFLE16(a, b, ...) ((v128)__builtin_shufflevector((v_i16)(a), (v_i16)(b), __VA_ARGS__))
#define V_SHUFFLE8(a, b, ...) ((v128)__builtin_shufflevector((v_i8)(a), (v_i8)(b), __VA_ARGS__))
#define vf_lane(a, i) (((v_f32)(a))[i])
#define vi_lane(a, i) (((v128)(a))[i])
#define vh_lane(a, i) (((v_i16)(a))[i])
#define vb_lane(a, i) (((v_i8)(a))[i])

static inline v128 v_load(const void *p) { v128 a; memcpy(&a, p, 16); return a; }
static inline void v_store(void *p, v128 a) { memcpy(p, &a, 16); }
static inline v128 v_load_splat32(const void *p) { int32_t x; memcpy(&x, p, 4); return (v128){x, x, x, x}; }
static inline v128 v_load_splat64(const void *p) { int32_t x[2]; memcpy(x, p, 8); return (v128){x[0], x[1], x[0], x[1]}; }
static inline v128 v_load_splat8(const void *p) { int8_t x; memcpy(&x, p, 1); return (v128)((v_i8){0} + x); }
static inline v128 v_load64(const void *p) { int32_t x[2]; memcpy(x, p, 8); return (v128){x[0], x[1], 0, 0}; }
static inline v128 v_load64x2(const void *a, const void *b) { int32_t x[4]; memcpy(x, a, 8); memcpy(x + 2, b, 8); return (v128){x[0], x[1], x[2], x[3]}; }
static inline v128 v_load32x4(const void *a, const void *b, const void *c, const void *d) { int32_t x[4]; memcpy(x, a, 4); memcpy(x + 1, b, 4); memcpy(x + 2, c, 4); memcpy(x + 3, d, 4); return (v128){x[0], x[1], x[2], x[3]}; }
static inline v128 v_load32(const void *p) { int32_t x; memcpy(&x, p, 4); return (v128){x, 0, 0, 0}; }
static inline void v_store64(void *p, v128 a) { memcpy(p, &a, 8); }
static inline v128 vh_load8x8_s(const void *p) { v_i8x8 x; memcpy(&x, p, 8); return (v128)__builtin_convertvector(x, v_i16); }
static inline v128 vh_load8x8_u(const void *p) { v_u8x8 x; memcpy(&x, p, 8); return (v128)__builtin_convertvector(x, v_u16); }
static inline v128 vi_load16x4_s(const void *p) { v_i16x4 x; memcpy(&x, p, 8); return (v128)__builtin_convertvector(x, v128); }
static inline v128 vi_load16x4_u(const void *p) { v_u16x4 x; memcpy(&x, p, 8); return (v128)__builtin_convertvector(x, v_u32); }
static inline v128 v_zero(void) { return (v128){0, 0, 0, 0}; }
static inline v128 v_and(v128 a, v128 b) { return a & b; }
static inline v128 v_or(v128 a, v128 b) { return a | b; }
static inline v128 v_xor(v128 a, v128 b) { return a ^ b; }
static inline v128 v_andnot(v128 a, v128 b) { return a & ~b; }
static inline v128 v_select(v128 mask, v128 a, v128 b) { return (a & mask) | (b & ~mask); }

static inline v128 vf_splat(float a) { return (v128)(v_f32){a, a, a, a}; }
static inline v128 vf_add(v128 a, v128 b) { return (v128)((v_f32)a + (v_f32)b); }
static inline v128 vf_sub(v128 a, v128 b) { return (v128)((v_f32)a - (v_f32)b); }
static inline v128 vf_mul(v128 a, v128 b) { return (v128)((v_f32)a * (v_f32)b); }
static inline v128 vf_div(v128 a, v128 b) { return (v128)((v_f32)a / (v_f32)b); }
static inline v128 vf_lt(v128 a, v128 b) { return (v128)((v_f32)a < (v_f32)b); }
static inline v128 vf_le(v128 a, v128 b) { return (v128)((v_f32)a <= (v_f32)b); }
static inline v128 vf_gt(v128 a, v128 b) { return (v128)((v_f32)a > (v_f32)b); }
static inline v128 vf_eq(v128 a, v128 b) { return (v128)((v_f32)a == (v_f32)b); }
static inline v128 vf_pmax(v128 a, v128 b) { return v_select(vf_lt(a, b), b, a); }
static inline v128 vf_pmin(v128 a, v128 b) { return v_select(vf_lt(b, a), b, a); }
static inline v128 vf_abs(v128 a) { return a & 0x7fffffff; }
static inline v128 vf_neg(v128 a) { return a ^ INT32_MIN; }
static inline v128 vf_sqrt(v128 a) {
    v_f32 x = (v_f32)a;
    return (v128)(v_f32){__builtin_sqrtf(x[0]), __builtin_sqrtf(x[1]), __builtin_sqrtf(x[2]), __builtin_sqrtf(x[3])};
}
static inline v128 vf_from_i(v128 a) { return (v128)__builtin_convertvector(a, v_f32); }

static inline v128 vi_splat(int32_t a) { return (v128){a, a, a, a}; }
static inline v128 vi_add(v128 a, v128 b) { return (v128)((v_u32)a + (v_u32)b); }
static inline v128 vi_sub(v128 a, v128 b) { return (v128)((v_u32)a - (v_u32)b); }
static inline v128 vi_mul(v128 a, v128 b) { return (v128)((v_u32)a * (v_u32)b); }
static inline v128 vi_shl(v128 a, int n) { return (v128)((v_u32)a << n); }
static inline v128 vi_shr(v128 a, int n) { return a >> n; }
static inline v128 vi_shr_u(v128 a, int n) { return (v128)((v_u32)a >> n); }
static inline v128 vi_eq(v128 a, v128 b) { return (v128)(a == b); }
static inline v128 vi_gt(v128 a, v128 b) { return (v128)(a > b); }
static inline v128 vi_from_h_low(v128 a) { v_i16x4 x; memcpy(&x, &a, 8); return (v128)__builtin_convertvector(x, v128); }
static inline v128 vi_from_h_high(v128 a) { v_i16x4 x; memcpy(&x, (char *)&a + 8, 8); return (v128)__builtin_convertvector(x, v128); }
static inline v128 vi_from_hu_low(v128 a) { v_u16x4 x; memcpy(&x, &a, 8); return (v128)__builtin_convertvector(x, v_u32); }
static inline v128 vi_from_hu_high(v128 a) { v_u16x4 x; memcpy(&x, (char *)&a + 8, 8); return (v128)__builtin_convertvector(x, v_u32); }
static inline v128 vi_even_h(v128 a) { return (v128)((v_u32)a << 16) >> 16; } /* sign-extended even lanes */
static inline v128 vi_pair_sum(v128 a) { return vi_add(vi_even_h(a), a >> 16); }
static inline v128 vi_dot_h(v128 a, v128 b) {
    return vi_add(vi_mul(vi_even_h(a), vi_even_h(b)), vi_mul(a >> 16, b >> 16));
}

static inline v128 vh_splat(int16_t a) { return (v128)((v_i16){0} + a); }
static inline v128 vh_add(v128 a, v128 b) { return (v128)((v_u16)a + (v_u16)b); }
static inline v128 vh_sub(v128 a, v128 b) { return (v128)((v_u16)a - (v_u16)b); }
static inline v128 vh_mul(v128 a, v128 b) { return (v128)((v_u16)a * (v_u16)b); }
static inline v128 vh_shl(v128 a, int n) { return (v128)((v_u16)a << n); }
static inline v128 vh_shr(v128 a, int n) { return (v128)((v_i16)a >> n); }
static inline v128 vh_shr_u(v128 a, int n) { return (v128)((v_u16)a >> n); }
static inline v128 vh_from_b_low(v128 a) { v_i8x8 x; memcpy(&x, &a, 8); return (v128)__builtin_convertvector(x, v_i16); }
static inline v128 vh_from_b_high(v128 a) { v_i8x8 x; memcpy(&x, (char *)&a + 8, 8); return (v128)__builtin_convertvector(x, v_i16); }
static inline v128 vh_from_bu_low(v128 a) { v_u8x8 x; memcpy(&x, &a, 8); return (v128)__builtin_convertvector(x, v_u16); }
static inline v128 vh_from_bu_high(v128 a) { v_u8x8 x; memcpy(&x, (char *)&a + 8, 8); return (v128)__builtin_convertvector(x, v_u16); }
static inline v128 vh_pair_sum(v128 a) {
    return vh_add((v128)((v_i16)((v_u16)a << 8) >> 8), (v128)((v_i16)a >> 8));
}
static inline v128 vh_narrow(v128 a, v128 b) {
    v_i16 r;
    for (int i = 0; i < 8; i++) {
        int32_t x = i < 4 ? a[i] : b[i - 4];
        r[i] = (int16_t)(x < -32768 ? -32768 : x > 32767 ? 32767 : x);
    }
    return (v128)r;
}
static inline v128 vb_narrow(v128 a, v128 b) {
    v_i8 r;
    for (int i = 0; i < 16; i++) {
        int x = i < 8 ? ((v_i16)a)[i] : ((v_i16)b)[i - 8];
        r[i] = (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
    }
    return (v128)r;
}

static inline v128 vb_splat(int8_t a) { return (v128)((v_i8){0} + a); }
static inline v128 vb_add(v128 a, v128 b) { return (v128)((v_u8)a + (v_u8)b); }
static inline v128 vb_sub(v128 a, v128 b) { return (v128)((v_u8)a - (v_u8)b); }
static inline v128 vb_max(v128 a, v128 b) { return v_select((v128)((v_i8)a > (v_i8)b), a, b); }
static inline v128 vb_abs(v128 a) { return v_select((v128)((v_i8)a < 0), (v128)-(v_i8)a, a); }
static inline v128 vb_eq(v128 a, v128 b) { return (v128)((v_i8)a == (v_i8)b); }
static inline v128 vb_lookup(v128 table, v128 index) {
    v_u8 r, i = (v_u8)index, t = (v_u8)table;
    for (int j = 0; j < 16; j++) r[j] = i[j] < 16 ? t[i[j] & 15] : 0;
    return (v128)r;
}
#endif

/* Nearest even integers of |a| < 2^22, as floats are rounded: one addition instead of the instruction,
 * so that the scalar reference is the same sum. The int32 words are in the low bits (see vi_round). */
#define V_ROUND_MAGIC 12582912.0f /* 1.5 * 2^23 */
static inline v128 vi_round(v128 a) {
    return vi_sub(vf_add(a, vf_splat(V_ROUND_MAGIC)), vi_splat(0x4b400000));
}

/* A constant the optimizer cannot see: V8 builds a v128.const anew at every use, a local is kept. */
static inline v128 v_hidden(const volatile uint32_t *word) { return vi_splat((int32_t)*word); }

#endif


#ifdef __cplusplus
} /* extern "C" */
#endif

/* What a binding may rely on. */
#if defined(__cplusplus) && __cplusplus >= 201103L
#define ARMORIQ_STATIC_ASSERT(condition, message) static_assert(condition, message)
#elif !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define ARMORIQ_STATIC_ASSERT(condition, message) _Static_assert(condition, message)
#endif
#ifdef ARMORIQ_STATIC_ASSERT
ARMORIQ_STATIC_ASSERT(sizeof(armoriq_status) == 4, "armoriq_status is an int32_t");
ARMORIQ_STATIC_ASSERT(sizeof(armoriq_verdict) == 4, "armoriq_verdict is an int32_t");
ARMORIQ_STATIC_ASSERT(sizeof(armoriq_log_fn) == sizeof(void *), "a callback is a plain pointer");
ARMORIQ_STATIC_ASSERT(offsetof(armoriq_completion, json) == 16, "armoriq_completion has no gaps");
ARMORIQ_STATIC_ASSERT(ARMORIQ_OK == 0, "success is zero");
ARMORIQ_STATIC_ASSERT(ARMORIQ_BLOCK == 0, "zeroed memory blocks");
#undef ARMORIQ_STATIC_ASSERT
#endif

#endif /* ARMORIQ_H */

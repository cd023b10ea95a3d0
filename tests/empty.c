/* A folder of tests may have no file of its own to share. */
typedef int tests_need_no_more;

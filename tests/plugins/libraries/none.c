/* A shared library that is no plugin. */
int monza_test_answer(void);
int monza_test_answer(void) { return 42; }
